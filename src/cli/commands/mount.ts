import { Command, Option } from 'commander'
import { SluiceError } from '../../errors.js'
import type { MountImageOptions, ObjectId, Repository } from '../../index.js'
import { withRepository } from '../globals.js'

interface MountFlags {
  readonly upperdir?: string
  readonly workdir?: string
  readonly readWrite?: boolean
  readonly fuse?: string
  readonly bootable?: boolean
}

/** `mount` and `oci mount` take the same options. */
function withMountOptions(command: Command): Command {
  return command
    .argument('<dir>', 'where to mount it')
    .option('--upperdir <dir>', 'writable layer; needs --workdir')
    .option('--workdir <dir>', 'work directory of the writable layer')
    .option('--read-write', 'mount writable; needs --upperdir')
    .option('--foreground', 'for FUSE, which is not supported yet: no effect')
    .addOption(
      new Option('--fuse <when>', 'through FUSE; yes is not supported yet')
        .choices(['auto', 'yes', 'no'])
        .default('auto'),
    )
}

function mountOptions(target: string, { upperdir, workdir, readWrite, fuse }: MountFlags): MountImageOptions {
  if (fuse === 'yes') throw new SluiceError('SLUICE_UNSUPPORTED', 'mounting through FUSE is not supported')
  if ((upperdir === undefined) !== (workdir === undefined)) {
    throw new SluiceError('SLUICE_USAGE', '--upperdir and --workdir go together')
  }
  if (readWrite === true && upperdir === undefined)
    throw new SluiceError('SLUICE_USAGE', '--read-write needs --upperdir')
  return {
    target,
    ...(upperdir !== undefined && { upperdir }),
    ...(workdir !== undefined && { workdir }),
    readWrite: readWrite ?? false,
  }
}

export function mountCommand(): Command {
  const command = new Command('mount').argument('<name>', 'name or id of an image')
  return withMountOptions(command).action(async (name: string, dir: string, flags: MountFlags, self: Command) => {
    const options = mountOptions(dir, flags)
    await withRepository(self, (repository) => mount(repository, repository.findImage(name), name, options))
  })
}

export function ociMountCommand(): Command {
  const command = new Command('mount')
    .argument('<image>', 'tag, or sha256:… of a manifest')
    .option('--bootable', 'the boot image; not supported yet')
  return withMountOptions(command).action(async (name: string, dir: string, flags: MountFlags, self: Command) => {
    if (flags.bootable === true) throw new SluiceError('SLUICE_UNSUPPORTED', 'boot images are not supported yet')
    const options = mountOptions(dir, flags)
    await withRepository(self, async (repository) => {
      const { storedImageId } = await import('../../index/content.js')
      const id = storedImageId(repository, name)
      await mount(repository, id, id, options)
    })
  })
}

export function ostreeMountCommand(): Command {
  const command = new Command('mount').argument('<source>', 'ref, id of a commit, or the beginning of one')
  return withMountOptions(command).action(async (source: string, dir: string, flags: MountFlags, self: Command) => {
    const options = mountOptions(dir, flags)
    await withRepository(self, async (repository) => {
      const { storedOstreeImageId } = await import('../../index/ostree.js')
      const id = await storedOstreeImageId(repository, source)
      await mount(repository, id, id, options)
    })
  })
}

async function mount(repository: Repository, id: ObjectId, name: string, options: MountImageOptions): Promise<void> {
  const { mountImage } = await import('../../index/content.js')
  mountImage(repository, id, name, options)
}
