/** A Debian kernel for virtual machines, fetched by apt and unpacked without being installed; kept for the next run. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run, runOk } from './system-run.js'

export interface VmKernel {
  readonly image: string
  /** Where its modules are, in folders. */
  readonly modules: string
}

/** Kernels with fs-verity in overlayfs and EROFS from a file: Debian 12's own is 6.1, Debian 13's is 6.12. */
const packages = ['linux-image-6.12-cloud-amd64', 'linux-image-cloud-amd64'] as const
const oldest = [6, 12] as const

/** The kernel, or why there is none. */
export async function fetchKernel(): Promise<VmKernel | string> {
  const cache = join(process.env['XDG_CACHE_HOME'] || tmpdir(), 'sluice-test-kernel')
  if (!existsSync(cache)) {
    const name = (await findPackage()) ?? ((await updateLists()) ? await findPackage() : undefined)
    if (name === undefined) return `apt knows no package of a kernel from ${oldest.join('.')} on`
    const failure = await download(name, cache)
    if (failure !== undefined) return `apt could not fetch ${name}: ${failure}`
  }
  const [release] = readdirSync(join(cache, 'lib/modules'))
  return { image: join(cache, 'boot', `vmlinuz-${release}`), modules: join(cache, 'lib/modules', release) }
}

/** The packages above only name the one that holds the kernel. */
async function findPackage(): Promise<string | undefined> {
  for (const name of packages) {
    const { stdout } = await run('apt-cache', ['depends', '--important', name])
    const match = /Depends: (linux-image-(\d+)\.(\d+)\S*)/.exec(stdout.toString())
    if (match === null) continue
    const [major, minor] = [Number(match[2]), Number(match[3])]
    if (major > oldest[0] || (major === oldest[0] && minor >= oldest[1])) return match[1]
  }
  return undefined
}

async function updateLists(): Promise<boolean> {
  const { status } = await run('apt-get', ['update', '-q'])
  return status === 0
}

/** Returns why it failed. */
async function download(name: string, cache: string): Promise<string | undefined> {
  mkdirSync(join(cache, '..'), { recursive: true })
  const folder = mkdtempSync(`${cache}-`)
  try {
    const { status, stderr } = await run('apt-get', ['download', '-q', name], { cwd: folder })
    const file = readdirSync(folder).find((each) => each.endsWith('.deb'))
    if (status !== 0 || file === undefined) return stderr.trim().split('\n').at(-1) ?? `status ${status}`
    await runOk('dpkg-deb', ['-x', join(folder, file), join(folder, 'content')])
    renameSync(join(folder, 'content'), cache)
    return undefined
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
