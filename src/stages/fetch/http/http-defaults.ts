/** Of registries and ostree servers alike; apart, as what makes requests is loaded only when some are made. */
export const httpDefaults = { stallTimeoutMs: 60_000, connectTimeoutMs: 30_000, userAgent: 'sluice' } as const
