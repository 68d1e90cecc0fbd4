/** Which proxy a URL goes through: HTTPS_PROXY, HTTP_PROXY and NO_PROXY, also in lower case. */
import { BlockList, isIP } from 'node:net'
import { SluiceError } from '../../../errors.js'

export type Environment = Readonly<Record<string, string | undefined>>

/** The proxy for `url`, or undefined. Loopback addresses are always reached directly. */
export function proxyFor(url: URL, environment: Environment): string | undefined {
  const names = url.protocol === 'https:' ? ['HTTPS_PROXY', 'https_proxy'] : ['HTTP_PROXY', 'http_proxy']
  const proxy = firstSet(environment, names)
  if (proxy === undefined || isLoopback(url.hostname)) return undefined
  if (isExcluded(url, firstSet(environment, ['NO_PROXY', 'no_proxy']) ?? '')) return undefined
  const withScheme = proxy.includes('://') ? proxy : `http://${proxy}`
  if (!isProxyUrl(withScheme)) {
    // Most often because of a character in its password: what it is would be no secret any more.
    throw new SluiceError('SLUICE_CONFIG', `${names[0]} is not the URL of a proxy`, {
      hint: 'it begins with http://, https:// or socks5://; percent-encode what is special in its user name and password, such as / and @',
    })
  }
  return withScheme
}

function isProxyUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, username, password } = new URL(text)
  try {
    decodeURIComponent(username + password)
  } catch {
    return false
  }
  return ['http:', 'https:', 'socks5:', 'socks:'].includes(protocol)
}

function firstSet(environment: Environment, names: readonly string[]): string | undefined {
  return names.map((name) => environment[name]).find((value) => value !== undefined && value !== '')
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || /^127\.\d+\.\d+\.\d+$/.test(hostname) || hostname === '[::1]'
}

/**
 * Entries are `*`, an address, a range of addresses, or a domain, which means its subdomains too, or only these where it begins
 * with a dot; with a port or not.
 */
function isExcluded(url: URL, list: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port
  return list
    .split(',')
    .map((entry) => entry.trim().toLowerCase())
    .filter((entry) => entry !== '')
    .some((entry) => {
      if (entry === '*') return true
      if (entry.includes('/')) return isInRange(host, entry)
      const [, name, entryPort] = /^\[?(.*?)\]?(?::(\d+))?$/.exec(isIP(entry) === 6 ? `[${entry}]` : entry)!
      if (name === '' || (entryPort !== undefined && entryPort !== port)) return false
      const domain = name.replace(/^\*\./, '.')
      return host === domain || (isIP(host) === 0 && host.endsWith(domain.startsWith('.') ? domain : `.${domain}`))
    })
}

function isInRange(host: string, range: string): boolean {
  const [network = '', prefix = ''] = range.split('/')
  const family = isIP(network)
  if (family === 0 || isIP(host) !== family || !/^\d{1,3}$/.test(prefix)) return false
  const type = family === 4 ? 'ipv4' : 'ipv6'
  if (Number(prefix) > (family === 4 ? 32 : 128)) return false
  const block = new BlockList()
  block.addSubnet(network, Number(prefix), type)
  return block.check(host, type)
}
