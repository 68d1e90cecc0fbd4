// Puts the compiled command line and its threads into one file each, in dist/program. To find, read and link 200 modules takes
// Node longer than anything else that a pull does which finds nothing new: 0.22 s became 0.16. They are scripts and not
// modules, as only a script can have the code cache of V8 that is put beside the command line: each start takes 0.03 s less.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const outdir = join(root, 'dist/program')

/** Need not be installed. Packages with native code are required by name at run time (src/native/prebuilt.ts). */
const external = ['openpgp']

rmSync(outdir, { recursive: true, force: true })
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: ['cli/main', 'workers/thread', 'workers/check-thread'].map((name) => join(root, `dist/src/${name}.js`)),
  entryNames: '[name]',
  outdir,
  bundle: true,
  external,
  platform: 'node',
  target: 'node20.19',
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
  // What a script imports takes an experimental feature of Node; what it requires does not.
  supported: { 'dynamic-import': false },
  define: { 'import.meta.url': 'moduleUrl' },
  // Modules are strict; esbuild says so after the banner, which is too late.
  banner: { js: `'use strict';const moduleUrl=require('node:url').pathToFileURL(__filename).href;` },
  // Without comments it is a third smaller, and with ASCII alone, esbuild's default, V8 keeps a byte for each character.
  minifyWhitespace: true,
  lineLimit: 120,
  legalComments: 'none',
  metafile: true,
})
const codeCache = fileURLToPath(new URL('code-cache.mjs', import.meta.url))
execFileSync(process.execPath, [codeCache], { stdio: ['ignore', 'ignore', 'inherit'] })

const packages = new Set(
  Object.keys(metafile.inputs).flatMap((path) => path.match(/^.*node_modules\/(?:@[^/]+\/)?[^/]+/) ?? []),
)
const licenses = [...packages].sort().map((path) => licenseOf(join(root, path)))
writeFileSync(join(outdir, 'LICENSES.txt'), `The files beside this one contain:\n\n${licenses.join('\n')}`)

/** What a package wants to be said where it is copied. */
function licenseOf(folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const texts = readdirSync(folder).filter((file) => /^licen[cs]e/i.test(file))
  const text = texts.map((file) => readFileSync(join(folder, file), 'utf8').trim()).join('\n\n')
  return `== ${name} ${version}, ${license}\n\n${text}\n`
}
