/** Every call that Sluice makes into the C library; what is not in this table cannot be called. */

/**
 * `int` and `long` are C integers of that size. `word` is a register that holds an integer or, for text (NUL-terminated
 * UTF-8) and bytes, their address; 0 is NULL. Parameters after the given ones are 0 (`syscall`).
 */
type Parameter = 'int' | 'long' | 'word'

export interface Declaration {
  readonly returns: 'int' | 'long'
  readonly parameters: readonly Parameter[]
}

export const libcCalls = {
  close: { returns: 'int', parameters: ['int'] },
  dlopen: { returns: 'long', parameters: ['word', 'int'] },
  dlsym: { returns: 'long', parameters: ['long', 'word'] },
  fcntl: { returns: 'int', parameters: ['int', 'int', 'word'] },
  fgetxattr: { returns: 'long', parameters: ['int', 'word', 'word', 'long'] },
  flock: { returns: 'int', parameters: ['int', 'int'] },
  ioctl: { returns: 'int', parameters: ['int', 'long', 'word'] },
  lgetxattr: { returns: 'long', parameters: ['word', 'word', 'word', 'long'] },
  linkat: { returns: 'int', parameters: ['int', 'word', 'int', 'word', 'int'] },
  llistxattr: { returns: 'long', parameters: ['word', 'word', 'long'] },
  lsetxattr: { returns: 'int', parameters: ['word', 'word', 'word', 'long', 'int'] },
  madvise: { returns: 'int', parameters: ['long', 'long', 'int'] },
  malloc_trim: { returns: 'int', parameters: ['long'] },
  mallopt: { returns: 'int', parameters: ['int', 'int'] },
  memcpy: { returns: 'long', parameters: ['word', 'word', 'long'] },
  syncfs: { returns: 'int', parameters: ['int'] },
  umount2: { returns: 'int', parameters: ['word', 'int'] },
  // The mount API has wrappers from glibc 2.36 on only; the system calls are older (Linux 5.2).
  syscall: { returns: 'long', parameters: ['long', 'word', 'word', 'word', 'word', 'word'] },
} as const satisfies Record<string, Declaration>

export type LibcCall = keyof typeof libcCalls
