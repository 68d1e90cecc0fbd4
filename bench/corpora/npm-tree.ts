/** A `node_modules` of large front-end frameworks. Needs network. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runProgram } from '../support/programs.js'

/** Packages as of this day: the tree stays the same whenever it is made. */
const AS_OF = '2025-06-01'

const packages = [
  '@angular-devkit/build-angular',
  '@angular/cli',
  '@angular/compiler-cli',
  '@angular/core',
  '@aws-sdk/client-ec2',
  '@aws-sdk/client-s3',
  '@babel/preset-env',
  '@babel/preset-react',
  '@mui/material@6',
  'date-fns',
  'monaco-editor',
  'next',
  // Its newest tag is of a version that was published by mistake.
  'react-native@0.79.2',
  'rxjs',
  'storybook',
  'typescript',
  'webpack',
]

/** Seconds since 1970 of the day above. */
export const npmTreeTime = Date.parse(AS_OF) / 1000

/** Makes the tree, in which the packages lie below `srv/app`; returns nothing, as the folder is the caller's. */
export async function npmTree(tree: string): Promise<void> {
  const folder = join(tree, 'srv/app')
  rmSync(tree, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{"name":"app","version":"1.0.0","private":true}\n')
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--legacy-peer-deps', `--before=${AS_OF}`]
  await runProgram('npm', ['install', ...options, ...packages], { cwd: folder })
}
