/**
 * undici from its own files: its index loads fetch, caches and WebSocket, too, and takes 160 ms, these 40. For the same
 * reason its version is pinned.
 */
import { createRequire } from 'node:module'
import type { Agent as AgentClass, Dispatcher, ProxyAgent as ProxyAgentClass } from 'undici'

type Request = (this: Dispatcher, options: Dispatcher.RequestOptions) => Promise<Dispatcher.ResponseData>

const require = createRequire(import.meta.url)

export const Agent = require('undici/lib/dispatcher/agent.js') as typeof AgentClass
/** Loaded only for those who have a proxy, as it brings SOCKS with it. */
export const loadProxyAgent = () => require('undici/lib/dispatcher/proxy-agent.js') as typeof ProxyAgentClass

const requestBy = require('undici/lib/api/api-request.js') as Request

/** One request by `dispatcher`; rejects with undici's errors. */
export function request(
  dispatcher: Dispatcher,
  url: URL,
  options: Omit<Dispatcher.RequestOptions, 'origin' | 'path'>,
): Promise<Dispatcher.ResponseData> {
  return requestBy.call(dispatcher, { ...options, origin: url.origin, path: `${url.pathname}${url.search}` })
}
