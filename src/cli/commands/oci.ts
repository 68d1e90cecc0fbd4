import { Command } from 'commander'
import { addCommands, type LazyCommand } from '../lazy-commands.js'

/** In the order of the help. */
export const ociCommands: readonly LazyCommand[] = [
  {
    name: 'pull',
    summary: 'pull an image into the repository',
    load: async () => (await import('./pull.js')).ociPullCommand(),
  },
  {
    name: 'images',
    summary: 'list the tagged images',
    load: async () => (await import('./oci/images.js')).ociImagesCommand(),
  },
  {
    name: 'inspect',
    summary: 'tell about an image',
    load: async () => (await import('./oci/images.js')).ociInspectCommand(),
  },
  {
    name: 'linked-erofs-images',
    summary: 'list the EROFS images of the image that one is of, as JSON',
    load: async () => (await import('./oci/images.js')).ociLinkedErofsImagesCommand(),
  },
  {
    name: 'tag',
    summary: 'give a stored image another tag',
    load: async () => (await import('./oci/images.js')).ociTagCommand(),
  },
  {
    name: 'untag',
    summary: 'remove a tag',
    load: async () => (await import('./oci/images.js')).ociUntagCommand(),
  },
  {
    name: 'layer',
    summary: 'write a stored layer as tar, or tell about it',
    load: async () => (await import('./oci/layers.js')).ociLayerCommand(),
  },
  {
    name: 'import-layer',
    summary: 'import a layer from a tar on standard input',
    load: async () => (await import('./oci/layers.js')).ociImportLayerCommand(),
  },
  {
    name: 'dump',
    summary: 'write the file system of an image as a dumpfile',
    load: async () => (await import('./oci/tree.js')).ociDumpCommand(),
  },
  {
    name: 'compute-id',
    summary: 'compute the id of the EROFS image of an image',
    load: async () => (await import('./oci/tree.js')).ociComputeIdCommand(),
  },
  {
    name: 'mount',
    summary: 'mount the file system of an image',
    load: async () => (await import('./mount.js')).ociMountCommand(),
  },
  {
    name: 'fsck',
    summary: 'check the repository and its tagged images',
    load: async () => (await import('./maintenance.js')).ociFsckCommand(),
  },
]

export async function ociCommand(words: readonly string[]): Promise<Command> {
  const command = new Command('oci')
  await addCommands(command, ociCommands, words)
  return command
}
