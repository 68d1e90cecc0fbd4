/** What the test and the agent in its virtual machine say to each other: a line of JSON each. */

/** The agent's first line. */
export interface AgentGreeting {
  readonly kernel: string
  readonly node: string
}

export interface AgentCommand {
  /** A program and its arguments; none: turn the machine off. */
  readonly command: readonly string[]
}

export interface AgentAnswer {
  /** Null when it could not be started or was killed. */
  readonly status: number | null
  /** In base64. */
  readonly stdout: string
  readonly stderr: string
}
