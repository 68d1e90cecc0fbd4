/** What this host has for Sluice. */
export {
  hostCapabilities,
  storageCapabilities,
  type HostCapabilities,
  type StorageCapabilities,
} from '../native/capabilities.js'
