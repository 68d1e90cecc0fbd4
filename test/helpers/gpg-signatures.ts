/**
 * Keys and signatures that GnuPG 2.2.40 made for these tests, with `--faked-system-time`: keys of 2024-01-01, signatures of
 * 2024-01-02. `expired` was valid for 30 days, so was `renewed` before its expiry was put off; of `sub` a subkey signed.
 */

const base64 = (...lines: readonly string[]): Buffer => Buffer.from(lines.join(''), 'base64')

/** All five keys, exported without what newer self-signatures replaced. */
export const gpgKeys = base64(
  'mDMEZZIAgBYJKwYBBAHaRw8BAQdAfBBNlLfUWCPBAN6EXRgkBr1pzI4HYR5wJGv1xSC2MKa0Gmdvb2QgPGdvb2RAc2x1aWNlLmludmFsaWQ+iJ',
  'AEExYIADgWIQS/J/PKxKLlO4ljhjHE11AtMCcs8AUCZZIAgAIbAwULCQgHAgYVCgkICwIEFgIDAQIeAQIXgAAKCRDE11AtMCcs8ACwAQCEfSyv',
  'owTiv4PAvX6i5+QTao9NiQZGnZL3YYzyBb8MyQD+M7tnAp+55U4BiTAvEVu/MPS9WYZSf/5IQk8wBhbFbgyYMwRlkgCAFgkrBgEEAdpHDwEBB0',
  'AKMAhfT11hka8WXcjijRA32WDMexQToUBL6rByvzIIhLQgZXhwaXJlZCA8ZXhwaXJlZEBzbHVpY2UuaW52YWxpZD6IlgQTFggAPhYhBGzovJlF',
  'arOZTvU0NAl/mQq+J7FzBQJlkgCAAhsDBQkAJ40ABQsJCAcCBhUKCQgLAgQWAgMBAh4BAheAAAoJEAl/mQq+J7Fz6/8A/0DKbcUetU3bST9Mqj',
  'nZE7+61Q9nkGkkPTgqKG+l1ovzAQD5ibXOnPV9cvfdgsxaYJEAdWNKxeTtLYry61VkpwWYApgzBGWSAIAWCSsGAQQB2kcPAQEHQPCCAghMlsjh',
  'LTrx6x/oMPCXQUVypcQb/xhGDANANwDkiHgEIBYIACAWIQRBeK2R3zA9Ats5o8wLSqSx1WdKpAUCZZIAgAIdAAAKCRALSqSx1WdKpARvAQDBp4',
  'uctUas3VfIJ4g4cP+8EO9cbPzMX5s/sG6DB+iLpgD+PPZY7PwbZy5ZxkkNErDahFOpOldC/3H8tSyubth8xgu0IHJldm9rZWQgPHJldm9rZWRA',
  'c2x1aWNlLmludmFsaWQ+iJAEExYIADgWIQRBeK2R3zA9Ats5o8wLSqSx1WdKpAUCZZIAgAIbAwULCQgHAgYVCgkICwIEFgIDAQIeAQIXgAAKCR',
  'ALSqSx1WdKpD44AP9habc36YFQkKwmAqaA8Sxgq6RqUFg2M5XCHIptQ28PBgEAh90CudjGz5c5E21aKChbwBptAbzXCHFjkCrk1rViugWYMwRl',
  'kgCAFgkrBgEEAdpHDwEBB0A78uJnZ+vYXPPodftpyb6hzHQ7eeE/6L8JL2jaO/T0k7QYc3ViIDxzdWJAc2x1aWNlLmludmFsaWQ+iJAEExYIAD',
  'gWIQSxPJDB+DSS+kN12WEj8YgcGN/qDgUCZZIAgAIbAwULCQgHAgYVCgkICwIEFgIDAQIeAQIXgAAKCRAj8YgcGN/qDupTAQCYYELetLCRtgCL',
  'xpm7WKHze0ZCelbdLlcTlQ4ZAT1mUwD7B2sNS/y3jJk36kNOomtCrHiGIpPkY2CejKanySjKVwW4MwRlkgCAFgkrBgEEAdpHDwEBB0A98funn+',
  '5IPJRdcTZky/SwrzEWRkGjSDJz4dGEnxgKlYjvBBgWCAAgFiEEsTyQwfg0kvpDddlhI/GIHBjf6g4FAmWSAIACGwIAgQkQI/GIHBjf6g52IAQZ',
  'FggAHRYhBPfmsVt0t08VuyxNmfNbSu/tv0YmBQJlkgCAAAoJEPNbSu/tv0YmPd0BALA94AhajLoelbVlrIUHIFGq/PrdpNjyVhfInXqDqUC+AQ',
  'D/amPlmCPF0t56m/wfJmDA+oFh9gea/SmueJk41fdBBFSxAQDrIrUlk2pZXvzKzg1T9JF1j4AAnf9Vnpd9WVyc+ZAyPwEAsI0HIviXwYW8tXUS',
  'dGlmsD+FA4HQP31RCTNHOGXMAw2YMwRlkgCAFgkrBgEEAdpHDwEBB0BEUg69qaQa7mT5fbVtbuuBMJhlh2U2ZjYHFK9744mF+LQgcmVuZXdlZC',
  'A8cmVuZXdlZEBzbHVpY2UuaW52YWxpZD6IkAQTFggAOAIbAwULCQgHAgYVCgkICwIEFgIDAQIeAQIXgBYhBMDQGkKt8Xt+zz0+/JlVLSwrnqAn',
  'BQJlnd4AAAoJEJlVLSwrnqAnm74A/2uNt0f28/pRppmQo3/mr98/52EKHYbn6oHz+2rx6IBzAP0R2Kp7WQE+d6VtsfnrA99m1BQ8mk/pi09IwK',
  'x1bbCGDQ==',
)

export const signedData = Buffer.from('data of the test\n')

/** A key on the curve brainpoolP256r1, and its signature. */
export const brainpool = {
  keys: base64(
    'mFMEZZIAgBMJKyQDAwIIAQEHAgMEUtBkssaW/tu2kOsc4vsN+O9Jyv3QACX+vTVIPBmSK6YWe6zfnYCFROd+pe3RUPjxOCfTCjBbwEztzik0L5/1GL',
    'QcY3VydmUgPGN1cnZlQHNsdWljZS5pbnZhbGlkPoiQBBMTCAA4FiEEBqdzzsbPhv+888ircwLNgf92pc8FAmWSAIACGwMFCwkIBwIGFQoJCAsCBBYC',
    'AwECHgECF4AACgkQcwLNgf92pc+KKwD/fpP5+NfUc6MBwxj8PN+oSAPZHD6WyfQ+hV44WsRDtxUA/0KMQtCNObN+mnTvaNGiQgKHqre/7D5rwuuKg7',
    'DD8dyN',
  ),
  signature: base64(
    'iHUEABMIAB0WIQQGp3POxs+G/7zzyKtzAs2B/3alzwUCZZNSAAAKCRBzAs2B/3alz4ohAPsHfbNE0miT6W+NA4iZiRBbl07dXUEC7Zli1ytGj86QLg',
    'D/QjYv74t3s1woLe2FWo9SGcbwy769cSIG064/ab+45CU=',
  ),
}

export const gpgSignatures = {
  good: base64(
    'iIoEABYIADIWIQS/J/PKxKLlO4ljhjHE11AtMCcs8AUCZZNSABQcZ29vZEBzbHVpY2UuaW52YWxpZAAKCRDE11AtMCcs8LrEAQCwO4wDKUGIhk',
    'ooGZnQ10/6Hf3HqoSGNvcYM41VEwdzdQD/dJoi+RowzaIEPlipBw+FSHX7ez8DRMeY+U8qk1ioDA0=',
  ),
  sub: base64(
    'iIkEABYIADEWIQT35rFbdLdPFbssTZnzW0rv7b9GJgUCZZNSABMcc3ViQHNsdWljZS5pbnZhbGlkAAoJEPNbSu/tv0YmhHgBANueXHFe4W0NiY',
    'Ioj2yRzNNCqD/nlEnErMB82lPQkB5dAP9qw8sJmSwQx+tQ0A3ZMQhQZe6d8Ohkn9XWa1Gg0PaCBw==',
  ),
  renewed: base64(
    'iI0EABYIADUWIQTA0BpCrfF7fs89PvyZVS0sK56gJwUCZZNSABcccmVuZXdlZEBzbHVpY2UuaW52YWxpZAAKCRCZVS0sK56gJz3zAP9WKqsw1r',
    'zMK34dQ3Wr5mtp10e8QBNEuVASUIoZzIsGUgEA70x70C8oxy4t1S8WkuqY5yZAIEvJoKaVzqRHl4svAgA=',
  ),
  expired: base64(
    'iI0EABYIADUWIQRs6LyZRWqzmU71NDQJf5kKviexcwUCZZNSABccZXhwaXJlZEBzbHVpY2UuaW52YWxpZAAKCRAJf5kKviexc7wYAQCQsGS6wl',
    '/IWml6vCkw7uKN/F/41UxI6xFZt3dzV/oVcgEAp84Z0hFp285Y/qezLgDoxoVT8611Wrv8LOImOq3GLQ4=',
  ),
  revoked: base64(
    'iI0EABYIADUWIQRBeK2R3zA9Ats5o8wLSqSx1WdKpAUCZZNSABcccmV2b2tlZEBzbHVpY2UuaW52YWxpZAAKCRALSqSx1WdKpORAAP4hFoAHg6',
    'm+J4KJccptVHv7QQb/M45SzDNz1CcHu4XhjQD5Afb3xBNY3gUm7+vAyGCm389/t/4GJ+dPqdfN8elU6QA=',
  ),
  /** By `good`, valid for 10 days. */
  short: base64(
    'iJAEABYIADgWIQS/J/PKxKLlO4ljhjHE11AtMCcs8AUCZZNSAAWDAA0vABQcZ29vZEBzbHVpY2UuaW52YWxpZAAKCRDE11AtMCcs8Cf8AP4guF',
    'z5GlvIKFuloqlnaQQNZ/OJTWM1ufdeFu/Gi25TgAD/T8FO2LLwSzNpUMytejkrkp2TRapaSYO1YBcBh9XI6AY=',
  ),
  /** By `good`, of a SHA-1 digest. */
  sha1: base64(
    'iIoEABYCADIWIQS/J/PKxKLlO4ljhjHE11AtMCcs8AUCZZNSABQcZ29vZEBzbHVpY2UuaW52YWxpZAAKCRDE11AtMCcs8IiGAQD8xxIpU3Py6E',
    'RNk33YMt9PJQSl2feT/7wUaeuZZDXaNAEAn915lnEOAx70GX6+6TufqH3jTIdH6xymgiBbqwp5nAE=',
  ),
  /** By `good`, of other data. */
  other: base64(
    'iIoEABYIADIWIQS/J/PKxKLlO4ljhjHE11AtMCcs8AUCZZNSABQcZ29vZEBzbHVpY2UuaW52YWxpZAAKCRDE11AtMCcs8NF1AQDITRgkYvU+3L',
    '9KgLDYwO5vRC6dFf7cMFY78OguZKZGuAD9HDETOHAQm6uZGxMtFo1kDNY1DPGCfMOks5MFqC6t6w4=',
  ),
}
