/**
 * undici from its own files: its index loads fetch, caches and WebSocket, too, and takes 160 ms, these 40. For the same
 * reason its version is pinned.
 */
import { createRequire } from 'node:module'
import type { Agent as AgentClass, ProxyAgent as ProxyAgentClass } from 'undici'

const require = createRequire(import.meta.url)

export const Agent = require('undici/lib/dispatcher/agent.js') as typeof AgentClass
/** Loaded only for those who have a proxy, as it brings SOCKS with it. */
export const loadProxyAgent = () => require('undici/lib/dispatcher/proxy-agent.js') as typeof ProxyAgentClass
