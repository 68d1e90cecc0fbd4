/** A directory tree as a layer: GNU tar and gzip -6, which is what image builders write. */
import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { storeLayer, type BuiltLayer } from '../support/build-layout.js'
import { startProgram } from '../support/programs.js'

const GZIP_LEVEL = 6

export interface TreePackOptions {
  /** Patterns of paths that are left out, without a leading slash. */
  readonly exclude?: readonly string[]
  /** Root owns everything, and all is of this time (seconds since 1970): for trees whose own values mean nothing. */
  readonly uniformTime?: number
}

/** Packs what lies in the tree; its top-level symlinks only if `withLinks`: those of a base layer are there already. */
export async function packTree(
  layout: string,
  tree: string,
  { exclude = [], uniformTime }: TreePackOptions = {},
  withLinks = true,
): Promise<BuiltLayer> {
  const names = readdirSync(tree).sort()
  const chosen = withLinks ? names : names.filter((name) => !lstatSync(join(tree, name)).isSymbolicLink())
  const { output, ended } = startProgram('tar', [
    '--create',
    // Names on stderr, one an entry: they are counted.
    '--verbose',
    '--sort=name',
    '--numeric-owner',
    // Times in whole seconds need no extended header, as in layers of image builders.
    '--format=posix',
    '--pax-option=delete=atime,delete=ctime,delete=mtime',
    '--xattrs',
    '--xattrs-include=*',
    ...(uniformTime === undefined ? [] : ['--owner=0', '--group=0', `--mtime=@${uniformTime}`]),
    '--anchored',
    ...exclude.map((pattern) => `--exclude=${pattern}`),
    '--directory',
    tree,
    '--',
    ...chosen,
  ])
  const stored = await storeLayer(layout, output, GZIP_LEVEL)
  const entries = (await ended).trimEnd().split('\n').length
  return { ...stored, entries }
}
