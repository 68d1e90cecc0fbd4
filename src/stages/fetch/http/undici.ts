/**
 * undici from its own files: its index loads fetch, caches and WebSocket, too, and takes 160 ms, these 40. For the same
 * reason its version is pinned.
 */
import { createRequire } from 'node:module'
import type {
  Agent as AgentClass,
  buildConnector as buildConnectorFunction,
  ProxyAgent as ProxyAgentClass,
} from 'undici'

const require = createRequire(import.meta.url)

export const Agent = require('undici/lib/dispatcher/agent.js') as typeof AgentClass
export const buildConnector = require('undici/lib/core/connect.js') as typeof buildConnectorFunction
/** Loaded only for those who have a proxy, as it brings SOCKS with it. */
export const loadProxyAgent = () => require('undici/lib/dispatcher/proxy-agent.js') as typeof ProxyAgentClass
