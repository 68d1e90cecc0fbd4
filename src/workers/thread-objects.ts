/** The object store of a repository, in other threads too. */
import type { HashAlgorithm } from '../formats/digest.js'
import { ObjectStore } from '../repository/objects.js'
import { TemporaryFiles } from '../repository/temporary-object.js'
import type { Repository } from '../repository/repository.js'
import { VerityPolicy } from '../repository/verity-policy.js'

/** What a thread opens it by; plain data. */
export interface ThreadObjects {
  readonly directory: string
  readonly algorithm: HashAlgorithm
  readonly secure: boolean
}

export function threadObjects({
  objects: { directory, algorithm },
  secure,
}: Pick<Repository, 'objects' | 'secure'>): ThreadObjects {
  return { directory, algorithm, secure }
}

/** Its temporary files have a directory of their own, which is to be ended. */
export function openThreadObjects({ directory, algorithm, secure }: ThreadObjects): ObjectStore {
  const verity = new VerityPolicy(algorithm, secure ? 'required' : 'attempted')
  return new ObjectStore(directory, algorithm, verity, new TemporaryFiles(directory, true))
}
