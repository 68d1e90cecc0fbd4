/**
 * undici from its own files: its index loads fetch, caches and WebSocket, too, and takes 160 ms, these 40. For the same
 * reason its version is pinned.
 */
import type {
  Agent as AgentClass,
  buildConnector as buildConnectorFunction,
  ProxyAgent as ProxyAgentClass,
} from 'undici'
// @ts-expect-error: undici's types are those of its index
import agent from 'undici/lib/dispatcher/agent.js'
// @ts-expect-error: as above
import connect from 'undici/lib/core/connect.js'

export const Agent = agent as typeof AgentClass
export const buildConnector = connect as typeof buildConnectorFunction

/** Loaded only for those who have a proxy, as it brings SOCKS with it. */
export async function loadProxyAgent(): Promise<typeof ProxyAgentClass> {
  // @ts-expect-error: as above
  const { default: proxyAgent } = await import('undici/lib/dispatcher/proxy-agent.js')
  // By it a tunnel is asked for. undici's index gives it to all dispatchers.
  // @ts-expect-error: as above
  const { default: connectMethod } = await import('undici/lib/api/api-connect.js')
  // @ts-expect-error: as above
  const { default: dispatcher } = await import('undici/lib/dispatcher/dispatcher.js')
  Object.assign((dispatcher as { prototype: object }).prototype, { connect: connectMethod as unknown })
  return proxyAgent as typeof ProxyAgentClass
}
