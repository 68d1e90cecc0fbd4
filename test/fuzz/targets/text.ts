/** Short texts: references, digests, tags, headers of registries, and the files that people configure. */
import assert from 'node:assert/strict'
import { parseDigest } from '../../../src/formats/digest.js'
import { parsePlatform } from '../../../src/formats/oci/platform.js'
import { redactText, redactUrl } from '../../../src/formats/redact.js'
import { parseReference, parseReferenceOrName } from '../../../src/formats/oci/reference.js'
import { formatRegistryName } from '../../../src/formats/oci/registry-name.js'
import { decodeRefName, encodeRefName } from '../../../src/formats/ref-file-name.js'
import { checkTag } from '../../../src/formats/oci/tag-name.js'
import { checkName } from '../../../src/repository/names.js'
import { enforcePolicy, parsePolicy } from '../../../src/stages/fetch/policy.js'
import { parseAuthFile } from '../../../src/stages/fetch/registry/auth-file.js'
import { parseChallenges } from '../../../src/stages/fetch/registry/challenge.js'
import { parseRetryAfter } from '../../../src/stages/fetch/http/errors.js'
import { findRule, parseRegistriesConf, relocate } from '../../../src/stages/fetch/registry/registries-conf.js'
import { readSeeds } from '../corpus.js'
import { mutateJson } from '../mutate-json.js'
import type { Random } from '../random.js'
import type { Target } from '../target.js'

const secret = 'hunter2hunter2'

function runReference(input: Buffer, random: Random): void {
  const text = input.toString(random.chance(0.5) ? 'utf8' : 'latin1')
  redactUrl(text)
  const withSecret = redactText(`${text} https://user:${secret}@host/path Bearer ${secret}`)
  assert.ok(!withSecret.includes(secret), 'a secret is taken out, whatever stands before it')
  const reference = random.chance(0.5) ? parseReferenceOrName(text) : parseReference(text)
  if (reference.transport !== 'docker') return
  const again = parseReference(`docker://${formatRegistryName(reference.name)}`)
  assert.deepEqual(
    again.transport === 'docker' && again.name,
    reference.name,
    'a name that is written again is the same',
  )
}

function runTag(input: Buffer): void {
  const text = input.toString('utf8')
  checkTag(text)
  const file = encodeRefName(text)
  checkName(file, 'file name')
  assert.ok(!file.includes('/'), 'a tag is one file name')
  assert.equal(decodeRefName(file), text, 'a tag comes back from its file name')
}

function runDigest(input: Buffer, random: Random): void {
  const text = input.toString('latin1')
  if (random.chance(0.3)) parsePlatform(text)
  const digest = parseDigest(text)
  assert.ok(!digest.includes('/') && digest !== '..', 'a digest is one file name')
}

function runHeader(input: Buffer): void {
  const text = input.toString('latin1')
  for (const { scheme } of parseChallenges(text.split('\n'))) assert.notEqual(scheme, '')
  const wait = parseRetryAfter(text, 0)
  assert.ok(wait === undefined || wait >= 0)
}

function runAuthFile(input: Buffer, random: Random): void {
  parseAuthFile(input.toString('utf8'), 'auth.json', random.chance(0.2))
}

function runRegistriesConf(input: Buffer): void {
  const conf = parseRegistriesConf(input.toString('utf8'), 'registries.conf')
  const rule = findRule(conf, 'registry.example', 'team/app')
  for (const { location } of rule?.mirrors ?? []) relocate(rule!, location, 'registry.example', 'team/app')
}

function runPolicy(input: Buffer): void {
  const policy = parsePolicy(input.toString('utf8'), 'policy.json')
  enforcePolicy(policy, 'docker', ['registry.example/team/app', 'registry.example'], 'here')
}

function textTarget(name: string, weight: number, run: Target['run'], limit = 4096): Target {
  const seeds = readSeeds(name)
  return {
    name,
    weight,
    limit,
    seeds,
    generate: (random) => {
      const seed = random.pick(seeds)
      return mutateJson(seed, random) ?? Buffer.concat([seed, random.bytes(random.length(20))])
    },
    run,
  }
}

export const textTargets: readonly Target[] = [
  textTarget('reference', 3, runReference, 64 * 1024),
  textTarget('tag', 1, runTag),
  textTarget('digest', 1, runDigest),
  textTarget('header', 2, runHeader, 64 * 1024),
  textTarget('auth-file', 1, runAuthFile),
  textTarget('registries-conf', 1, runRegistriesConf),
  textTarget('policy', 1, runPolicy),
]
