/** Debian's docker-registry, a real registry, on a free loopback port. */
import { spawn, type ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export class DockerRegistry {
  private readonly folder: string
  private server: ChildProcess | undefined
  private host = ''

  /** Keeps its data below `folder`. */
  constructor(folder: string) {
    this.folder = folder
  }

  /** `host:port`, once started. */
  get address(): string {
    return this.host
  }

  async start(): Promise<void> {
    this.host = `127.0.0.1:${await freePort()}`
    const configuration = join(this.folder, 'registry.json')
    // JSON is YAML.
    writeFileSync(
      configuration,
      JSON.stringify({
        version: 0.1,
        log: { level: 'error', accesslog: { disabled: true } },
        storage: { filesystem: { rootdirectory: join(this.folder, 'registry') } },
        http: { addr: this.host },
      }),
    )
    this.server = spawn('docker-registry', ['serve', configuration], { stdio: 'ignore' })
    for (let tries = 0; tries < 200; tries++) {
      const answer = await fetch(`http://${this.host}/v2/`).catch(() => undefined)
      if (answer?.status === 200) return
      await sleep(50)
    }
    throw new Error(`docker-registry did not answer on ${this.host} within 10 s`)
  }

  async stop(): Promise<void> {
    if (this.server === undefined || this.server.exitCode !== null) return
    const exited = once(this.server, 'exit')
    this.server.kill('SIGKILL')
    await exited
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
