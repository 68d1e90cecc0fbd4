/** Running the real programs: results, skip reasons, and a scratch folder that always goes away again. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { after } from 'node:test'
import { projectRoot } from './vectors.js'

export interface RunOptions {
  readonly input?: string | Uint8Array
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Milliseconds; the program is killed afterwards. */
  readonly timeout?: number
}

export interface RunResult {
  /** Null when it was killed. */
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: Buffer
  readonly stderr: string
}

/** Tools of the administrator are not on everybody's PATH. */
const searchPath = [process.env['PATH'] ?? '', '/usr/local/bin', '/usr/sbin', '/sbin'].join(delimiter)

/** Runs a program to its end; whatever its status, the result is returned. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, PATH: searchPath, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: options.timeout ?? 120_000,
    killSignal: 'SIGKILL',
  })
  // A program that does not read its input to the end is no failure by itself.
  child.stdin.on('error', () => {})
  child.stdin.end(options.input ?? '')
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
  const end = await new Promise<Pick<RunResult, 'status' | 'signal'>>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (status, signal) => resolve({ status, signal }))
  })
  return { ...end, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString('utf8') }
}

/** Runs a program that must succeed; returns what it printed. */
export async function runOk(command: string, args: readonly string[], options: RunOptions = {}): Promise<Buffer> {
  const { status, signal, stdout, stderr } = await run(command, args, options)
  assert.equal(
    status,
    0,
    `${command} ${args.join(' ')} ended with ${signal ?? `status ${status}`}:\n${stderr}${stdout.toString()}`,
  )
  return stdout
}

function isOnPath(command: string): boolean {
  return searchPath.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** What a test needs of the machine, beside programs. */
const facilities: Record<string, () => boolean> = {
  root: () => process.getuid?.() === 0,
  loop: () => existsSync('/dev/loop-control'),
  'kernel:erofs': () => kernelKnows('erofs'),
  'kernel:overlay': () => kernelKnows('overlay'),
  'kernel:xfs': () => kernelKnows('xfs'),
}

function kernelKnows(fileSystem: string): boolean {
  return readFileSync('/proc/filesystems', 'utf8').split(/\s+/).includes(fileSystem)
}

/**
 * The value for a test's `skip`: false if all is there, else the reason. A need is a program's name or one of the
 * facilities above.
 */
export function missing(...needs: string[]): string | false {
  const absent = needs.filter((need) => !(facilities[need]?.() ?? isOnPath(need)))
  return absent.length > 0 && `this machine has no ${absent.join(', ')} (scripts/system-deps.sh installs programs)`
}

/** Needs of every test that makes images with owners, devices and mounts. */
export const imageTools = ['root', 'tar', 'umoci', 'getfattr', 'setcap', 'cfsctl'] as const
export const mountTools = [...imageTools, 'kernel:erofs', 'kernel:overlay'] as const

/** A folder for one test file. When the file's tests are over, all that is mounted below it is unmounted, and it goes. */
export function scratchFolder(name: string): string {
  // Lower case and no odd characters: podman makes image names of paths.
  const folder = join(tmpdir(), `sluice-${name}-${randomBytes(6).toString('hex')}`)
  mkdirSync(folder, { mode: 0o700 })
  after(async () => {
    for (const mountPoint of mountsBelow(folder)) await run('umount', ['-l', mountPoint])
    rmSync(folder, { recursive: true, force: true })
  })
  return folder
}

function mountsBelow(folder: string): string[] {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((mountPoint) => mountPoint.startsWith(`${folder}/`))
    .reverse()
}

export type ToolName = 'sluice' | 'cfsctl'

/**
 * SLUICE_COMMAND puts another program in Sluice's place: with `SLUICE_COMMAND=cfsctl` the tests of common behaviour check
 * themselves against the reference.
 */
const replacement = process.env['SLUICE_COMMAND'] ?? ''
export const sluiceIsReplaced = replacement !== ''

/** The `skip` of tests of what only Sluice does. */
export function missingForSluice(...needs: string[]): string | false {
  return sluiceIsReplaced ? `SLUICE_COMMAND=${replacement} is not Sluice` : missing(...needs)
}

/** The `skip` of tests of what Sluice does not do yet; with the reference in its place they run. */
export function notYet(feature: string, ...needs: string[]): string | false {
  return sluiceIsReplaced ? missing(...needs) : `Sluice does not have ${feature} yet`
}

/** The command line that starts a tool. */
export function toolCommand(tool: ToolName): [string, ...string[]] {
  if (tool === 'cfsctl') return ['cfsctl']
  return sluiceIsReplaced ? [replacement] : [process.execPath, join(projectRoot, 'bin/sluice.js')]
}

export function runTool(tool: ToolName, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const [command, ...before] = toolCommand(tool)
  return run(command, [...before, ...args], options)
}

/** A composefs repository as one of the tools sees it. */
export class ToolRepository {
  readonly tool: ToolName
  readonly path: string
  private readonly options: RunOptions

  constructor(tool: ToolName, path: string, options: RunOptions = {}) {
    this.tool = tool
    this.path = path
    this.options = options
  }

  /** Makes the repository on disk, without fs-verity. */
  static async init(
    tool: ToolName,
    path: string,
    { hash = 'sha512', erofsVersion = 1, ...options }: RunOptions & { hash?: string; erofsVersion?: number } = {},
  ): Promise<ToolRepository> {
    const repository = new ToolRepository(tool, path, options)
    await repository.ok(
      'init',
      '--insecure',
      '--algorithm',
      `fsverity-${hash}-12`,
      '--erofs-version',
      `${erofsVersion}`,
    )
    return repository
  }

  /** The same folder as the other of the two tools sees it. */
  get other(): ToolRepository {
    return this.as(this.tool === 'sluice' ? 'cfsctl' : 'sluice')
  }

  as(tool: ToolName): ToolRepository {
    return new ToolRepository(tool, this.path, this.options)
  }

  run(...args: string[]): Promise<RunResult> {
    return runTool(this.tool, ['--repo', this.path, ...args], this.options)
  }

  async bytes(...args: string[]): Promise<Buffer> {
    const { status, signal, stdout, stderr } = await this.run(...args)
    assert.equal(
      status,
      0,
      `${this.tool} ${args.join(' ')} ended with ${signal ?? `status ${status}`}:\n${stderr}${stdout.toString()}`,
    )
    return stdout
  }

  /** What a command that must succeed prints, without the last line end. */
  async ok(...args: string[]): Promise<string> {
    return (await this.bytes(...args)).toString('utf8').trimEnd()
  }

  async json<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.ok(...args)) as T
  }

  /** The error output of a command that must fail with `status`. */
  async fails(status: number, ...args: string[]): Promise<string> {
    const result = await this.run(...args)
    assert.equal(result.status, status, `${this.tool} ${args.join(' ')}:\n${result.stderr}${result.stdout.toString()}`)
    return result.stderr
  }
}

/** Has both repositories answer the same command with the same bytes. @param what it is about, for the error. */
export async function ensureSameBytes(both: readonly ToolRepository[], what: string, ...args: string[]): Promise<void> {
  const [ours, theirs] = await Promise.all(both.map((repository) => repository.bytes(...args)))
  assert.ok(ours.equals(theirs), `${what}: ${args.join(' ')} differs`)
}

/** The root of a commit, from what `ostree inspect` prints. */
export function rootLines(details: string): string[] {
  return details.split('\n').filter((line) => /^(tree|dirmeta) /.test(line))
}

/** The lines of a pull but `verity`: the digest of a splitstream's bytes, in which tools differ (repository.md §3.8). */
export function comparableLines(pullOutput: string): string[] {
  return pullOutput.split('\n').filter((line) => !line.startsWith('verity '))
}

/**
 * A home folder with the containers configuration that lets clients talk to a registry without TLS, as environment for
 * `run`: any host on loopback, every image accepted.
 */
export function plainHttpHome(folder: string, registry: string): Record<string, string> {
  const configuration = join(folder, '.config/containers')
  mkdirSync(configuration, { recursive: true })
  writeFileSync(join(configuration, 'registries.conf'), `[[registry]]\nlocation = "${registry}"\ninsecure = true\n`)
  writeFileSync(join(configuration, 'policy.json'), '{"default":[{"type":"insecureAcceptAnything"}]}\n')
  return { HOME: folder, XDG_CONFIG_HOME: join(folder, '.config'), XDG_RUNTIME_DIR: folder }
}
