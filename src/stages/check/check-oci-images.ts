/** Checks the images that tags name (oci.md §5.5). */
import type { Breather } from '../../flow/breather.js'
import type { Repository } from '../../repository/repository.js'
import { checkOciImage } from './check-oci-image.js'
import { reasonOf, type Findings } from './findings.js'
import { findTag, listTags } from './tags.js'

/**
 * @param image the tag of the only image to check; undefined for all.
 * @param onImage called after each image.
 */
export async function checkOciImages(
  repository: Repository,
  image: string | undefined,
  findings: Findings,
  breather: Breather,
  onImage: (done: number, total: number) => void,
): Promise<void> {
  if (image !== undefined) return checkOneImage(repository, image, findings)
  const tags = listTags(repository)
  for (const { name, digest } of tags) {
    await breather.breathe()
    if (name.startsWith('@')) {
      findings.checked++
      findings.corrupted++
      findings.error('invalid-ref-name', name, 'a leading @ is for digests')
    } else {
      checkOciImage(repository, name, digest, findings)
    }
    onImage(findings.checked, tags.length)
  }
}

function checkOneImage(repository: Repository, image: string, findings: Findings): void {
  try {
    const { name, digest } = findTag(repository, image)
    checkOciImage(repository, name, digest, findings)
  } catch (error) {
    findings.checked++
    findings.corrupted++
    findings.error('ref-resolve-failed', image, reasonOf(error))
  }
}
