/**
 * Runs in the test's virtual machine: takes a command a line from the port that its only argument names, and answers each
 * with a line. The end of the input, or an empty command, turns the machine off.
 */
import { spawnSync } from 'node:child_process'
import { openSync, readSync, writeSync } from 'node:fs'
import { release } from 'node:os'
import type { AgentAnswer, AgentCommand, AgentGreeting } from './messages.js'

const port = openSync(process.argv[2] ?? '', 'r+')

function send(message: AgentGreeting | AgentAnswer): void {
  const line = Buffer.from(`${JSON.stringify(message)}\n`)
  for (let at = 0; at < line.length;) at += writeSync(port, line, at)
}

function* lines(): Generator<string> {
  const chunk = Buffer.alloc(65_536)
  let rest = ''
  for (;;) {
    const count = readSync(port, chunk)
    if (count === 0) return
    const parts = (rest + chunk.toString('latin1', 0, count)).split('\n')
    rest = parts.pop() ?? ''
    yield* parts
  }
}

function execute({ command }: AgentCommand): AgentAnswer {
  const [program, ...args] = command
  const { status, stdout, stderr, error } = spawnSync(program, args, { maxBuffer: 16 * 1024 * 1024 })
  if (error !== undefined) return { status: null, stdout: '', stderr: String(error) }
  return { status, stdout: stdout.toString('base64'), stderr: stderr.toString() }
}

send({ kernel: release(), node: process.version })
for (const line of lines()) {
  const request = JSON.parse(line) as AgentCommand
  if (request.command.length === 0) break
  send(execute(request))
}
spawnSync('/bin/busybox', ['poweroff', '-f'])
