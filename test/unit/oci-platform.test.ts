import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SluiceError } from '../../src/errors.js'
import {
  chooseByPlatform,
  formatPlatform,
  hostPlatform,
  parsePlatform,
  type Platform,
} from '../../src/formats/oci/platform.js'

test('platforms of hosts in Go names', () => {
  const table = {
    x64: 'amd64',
    arm64: 'arm64',
    arm: 'arm',
    ia32: '386',
    ppc64: 'ppc64le',
    s390x: 's390x',
    riscv64: 'riscv64',
  }
  for (const [arch, architecture] of Object.entries(table)) {
    assert.deepEqual(hostPlatform(arch), { os: 'linux', architecture })
  }
})

test('platforms that people write', () => {
  const table: [string, string][] = [
    ['linux/amd64', 'linux/amd64'],
    ['linux/arm/v7', 'linux/arm/v7'],
    ['Linux/x86_64', 'linux/amd64'],
    ['linux/aarch64', 'linux/arm64'],
    ['linux/armhf', 'linux/arm/v7'],
  ]
  for (const [text, expected] of table) assert.equal(formatPlatform(parsePlatform(text)), expected)
  for (const text of ['linux', '', 'linux/', 'a/b/c/d', 'linux/am d64']) {
    assert.throws(
      () => parsePlatform(text),
      (error) => error instanceof SluiceError && error.code === 'SLUICE_USAGE',
    )
  }
})

test('choice of an instance by variant', () => {
  const choose = (wanted: string, ...offered: string[]): string | undefined => {
    const items: { platform?: Platform }[] = [{}, ...offered.map((text) => ({ platform: parsePlatform(text) }))]
    const chosen = chooseByPlatform(items, parsePlatform(wanted))
    return chosen?.platform && formatPlatform(chosen.platform)
  }
  const arms = ['linux/arm/v5', 'linux/arm/v6', 'linux/arm/v7', 'linux/arm64/v8']
  assert.equal(choose('linux/arm/v7', ...arms), 'linux/arm/v7')
  assert.equal(choose('linux/arm/v8', ...arms), 'linux/arm/v7')
  assert.equal(choose('linux/arm/v6', ...arms), 'linux/arm/v6')
  assert.equal(choose('linux/arm/v6', 'linux/arm/v7', 'linux/arm'), 'linux/arm')
  assert.equal(choose('linux/arm/v6', 'linux/arm/v7'), undefined)
  assert.equal(choose('linux/arm', ...arms), 'linux/arm/v7')
  assert.equal(choose('linux/arm64', ...arms), 'linux/arm64/v8')
  assert.equal(choose('linux/amd64', 'linux/amd64/v3', 'linux/amd64'), 'linux/amd64')
  assert.equal(choose('linux/amd64', 'linux/amd64/v3', 'linux/amd64/v2'), 'linux/amd64/v2')
  assert.equal(choose('linux/amd64', 'windows/amd64'), undefined)
  assert.equal(choose('linux/riscv64/weird', 'linux/riscv64', 'linux/riscv64/weird'), 'linux/riscv64/weird')
})
