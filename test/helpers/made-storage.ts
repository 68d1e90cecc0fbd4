/** Storages that podman, buildah and skopeo make. */
import { join } from 'node:path'
import { runOk } from './system-run.js'

/** A containers-storage of its own, independent of what the machine is set up for. */
export class Store {
  readonly root: string
  readonly options: readonly string[]

  constructor(
    folder: string,
    private readonly driver: 'overlay' | 'vfs' = 'overlay',
    ...options: readonly string[]
  ) {
    this.root = join(folder, 'root')
    const places = ['--root', this.root, '--runroot', join(folder, 'run'), '--storage-driver', driver]
    this.options = [...places, ...options.flatMap((option) => ['--storage-opt', option])]
  }

  /** As skopeo names it. */
  reference(image: string): string {
    return `containers-storage:[${this.driver}@${this.root}+${this.root}/../run]${image}`
  }

  async podman(...args: string[]): Promise<string> {
    return (await runOk('podman', [...this.options, ...args])).toString().trim()
  }

  async buildah(command: string, ...args: string[]): Promise<string> {
    return (await runOk('buildah', [command, ...this.options, ...args])).toString().trim()
  }
}
