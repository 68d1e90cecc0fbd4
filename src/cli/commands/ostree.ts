import { Command } from 'commander'
import { addCommands, type LazyCommand } from '../lazy-commands.js'

export const ostreeRemoteCommands: readonly LazyCommand[] = [
  {
    name: 'add',
    summary: 'write down a server and whom to trust for it',
    load: async () => (await import('./ostree/remote.js')).ostreeRemoteAddCommand(),
  },
  {
    name: 'list',
    summary: 'list the servers',
    load: async () => (await import('./ostree/remote.js')).ostreeRemoteListCommand(),
  },
  {
    name: 'remove',
    alias: 'delete',
    summary: 'forget a server and its keys',
    load: async () => (await import('./ostree/remote.js')).ostreeRemoteRemoveCommand(),
  },
]

async function ostreeRemoteCommand(words: readonly string[]): Promise<Command> {
  const command = new Command('remote')
  await addCommands(command, ostreeRemoteCommands, words)
  return command
}

/** In the order of the help. */
export const ostreeCommands: readonly LazyCommand[] = [
  {
    name: 'pull-local',
    summary: 'pull a commit from an ostree repository in a directory',
    load: async () => (await import('./ostree/pull.js')).ostreePullLocalCommand(),
  },
  {
    name: 'pull',
    summary: 'pull a commit from an ostree repository at a URL',
    load: async () => (await import('./ostree/pull.js')).ostreePullCommand(),
  },
  {
    name: 'apply-delta',
    summary: 'make a commit from a static delta in a file',
    load: async () => (await import('./ostree/apply-delta.js')).ostreeApplyDeltaCommand(),
  },
  {
    name: 'images',
    summary: 'list the commits that have a name',
    load: async () => (await import('./ostree/images.js')).ostreeImagesCommand(),
  },
  {
    name: 'list-refs',
    summary: 'list what a repository offers',
    load: async () => (await import('./ostree/list-refs.js')).ostreeListRefsCommand(),
  },
  {
    name: 'inspect',
    summary: 'tell about a commit',
    load: async () => (await import('./ostree/images.js')).ostreeInspectCommand(),
  },
  {
    name: 'tag',
    summary: 'give a stored commit a name',
    load: async () => (await import('./ostree/images.js')).ostreeTagCommand(),
  },
  {
    name: 'untag',
    summary: 'remove a name',
    load: async () => (await import('./ostree/images.js')).ostreeUntagCommand(),
  },
  {
    name: 'dump',
    summary: 'write the file system of a commit as a dumpfile',
    load: async () => (await import('./ostree/tree.js')).ostreeDumpCommand(),
  },
  {
    name: 'compute-id',
    summary: 'tell the id of the EROFS image of a commit, which is made if there is none',
    load: async () => (await import('./ostree/tree.js')).ostreeComputeIdCommand(),
  },
  {
    name: 'mount',
    summary: 'mount the file system of a commit',
    load: async () => (await import('./mount.js')).ostreeMountCommand(),
  },
  {
    name: 'commit',
    summary: 'make a commit of an image',
    load: async () => (await import('./ostree/commit.js')).ostreeCommitCommand(),
  },
  {
    name: 'export',
    summary: 'write a commit into an ostree repository',
    load: async () => (await import('./ostree/export.js')).ostreeExportCommand(),
  },
  {
    name: 'remote',
    summary: 'servers to pull from, and whom to trust for them',
    load: ostreeRemoteCommand,
  },
]

export async function ostreeCommand(words: readonly string[]): Promise<Command> {
  const command = new Command('ostree')
  await addCommands(command, ostreeCommands, words)
  return command
}
