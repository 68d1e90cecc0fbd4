/** A virtual machine without KVM: boots in some seconds, runs commands, and its disks can be written to from outside. */
import assert from 'node:assert/strict'
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import type { AgentAnswer, AgentCommand, AgentGreeting } from '../vm/messages.js'
import { missingForSluice, type RunResult } from './system-run.js'
import type { VmKernel } from './vm-kernel.js'

/** The `skip` of a test that boots a machine with the tools of `vm-disks`, and needs these programs as well. */
export function missingForVm(...needs: string[]): string | false {
  if (process.arch !== 'x64') return 'the virtual machine is for x86-64'
  return missingForSluice(
    'qemu-system-x86_64',
    'busybox',
    'mkfs.ext4',
    'ldd',
    'apt-get',
    'dpkg-deb',
    'cfsctl',
    ...needs,
  )
}

export interface VmOptions {
  readonly kernel: VmKernel
  readonly initramfs: string
  /** Read-only; `/dev/vda`. */
  readonly rootDisk: string
  /** `/dev/vdb`, `/dev/vdc` and so on. */
  readonly disks: readonly string[]
  /** For the console's log. */
  readonly folder: string
  /** Milliseconds for the machine's whole life; it is stopped then. */
  readonly timeLimit: number
}

/** The machine ended before it was told to, by a panic or a fault of its start. */
class VmStopped extends Error {}

/** Emulated without KVM, a newer processor or a second one made kernels panic at random. */
const machine = ['-accel', 'tcg,thread=single', '-smp', '1', '-cpu', 'Nehalem', '-m', '1024']
const kernelArguments = 'console=ttyS0 panic=-1 quiet nokaslr mitigations=off'

export class Vm {
  readonly #qemu: ChildProcessWithoutNullStreams
  readonly #answers: AsyncIterator<string>
  readonly #console: string
  readonly #timer: NodeJS.Timeout
  #said = ''
  #timeIsOver = false
  #greeting: AgentGreeting = { kernel: '', node: '' }

  private constructor(options: VmOptions) {
    this.#console = join(options.folder, 'console.log')
    this.#qemu = spawn('qemu-system-x86_64', qemuArguments(options, this.#console), { stdio: 'pipe' })
    this.#qemu.stderr.on('data', (chunk: Buffer) => (this.#said += chunk.toString()))
    this.#qemu.stdin.on('error', () => {})
    this.#qemu.on('error', (error) => (this.#said += String(error)))
    this.#answers = createInterface({ input: this.#qemu.stdout })[Symbol.asyncIterator]()
    this.#timer = setTimeout(() => {
      this.#timeIsOver = true
      this.#qemu.kill('SIGKILL')
    }, options.timeLimit)
  }

  /** Resolves when the machine takes commands. */
  static async boot(options: VmOptions): Promise<Vm> {
    const vm = new Vm(options)
    vm.#greeting = await vm.#answer<AgentGreeting>('its start')
    return vm
  }

  /** Versions of its kernel and its Node. */
  get greeting(): AgentGreeting {
    return this.#greeting
  }

  /** Runs a program in the machine to its end; whatever its status, the result is returned. */
  async run(...command: readonly string[]): Promise<RunResult> {
    this.#send({ command })
    const { status, stdout, stderr } = await this.#answer<AgentAnswer>(command.join(' '))
    return { status, signal: null, stdout: Buffer.from(stdout, 'base64'), stderr }
  }

  /** Runs a program that must succeed; returns what it printed, without the last line end. */
  async ok(...command: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await this.run(...command)
    assert.equal(status, 0, `${command.join(' ')} ended with status ${status}:\n${stderr}${stdout.toString()}`)
    return stdout.toString('utf8').trimEnd()
  }

  busybox(...args: readonly string[]): Promise<string> {
    return this.ok('/bin/busybox', ...args)
  }

  async powerOff(): Promise<void> {
    this.#send({ command: [] })
    await this.#answers.next()
    this.#kill()
  }

  #kill(): void {
    clearTimeout(this.#timer)
    this.#qemu.kill('SIGKILL')
  }

  #send(command: AgentCommand): void {
    this.#qemu.stdin.write(`${JSON.stringify(command)}\n`)
  }

  async #answer<Answer>(during: string): Promise<Answer> {
    const line = await this.#answers.next()
    if (line.done !== true) return JSON.parse(line.value) as Answer
    this.#kill()
    const tail = `${this.#said}${consoleTail(this.#console)}`
    if (this.#timeIsOver) throw new Error(`the time of the virtual machine ended during ${during}\n${tail}`)
    throw new VmStopped(`the virtual machine stopped during ${during}\n${tail}`)
  }
}

function qemuArguments({ kernel, initramfs, rootDisk, disks }: VmOptions, console: string): string[] {
  return [
    machine,
    ['-nodefaults', '-display', 'none', '-no-reboot', '-serial', `file:${console}`],
    ['-kernel', kernel.image, '-initrd', initramfs, '-append', kernelArguments],
    ['-drive', `file=${rootDisk},format=raw,if=virtio,readonly=on`],
    ...disks.map((disk) => ['-drive', `file=${disk},format=raw,if=virtio`]),
    ['-chardev', 'stdio,id=agent,signal=off', '-device', 'virtio-serial'],
    ['-device', 'virtserialport,chardev=agent,name=agent'],
  ].flat()
}

function consoleTail(file: string): string {
  try {
    return `Its console:\n${readFileSync(file, 'latin1').split('\n').slice(-30).join('\n')}`
  } catch {
    return 'Its console stayed empty.'
  }
}

/**
 * Boots a machine with new disks and has it do `work`; once more if it stops, as emulated kernels panic now and then.
 *
 * @param makeDisks makes the disks beside the root disk.
 */
export async function inVm(
  t: TestContext,
  options: Omit<VmOptions, 'disks'>,
  makeDisks: () => Promise<readonly string[]>,
  work: (vm: Vm) => Promise<void>,
): Promise<void> {
  const attempt = async (): Promise<void> => {
    const vm = await Vm.boot({ ...options, disks: await makeDisks() })
    try {
      t.diagnostic(`Linux ${vm.greeting.kernel}, Node ${vm.greeting.node}`)
      await work(vm)
    } finally {
      await vm.powerOff()
    }
  }
  try {
    await attempt()
  } catch (error) {
    if (!(error instanceof VmStopped)) throw error
    t.diagnostic(`once more, for ${error.message}`)
    await attempt()
  }
}
