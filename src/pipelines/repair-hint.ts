import { isDamage, SluiceError, withContext } from '../errors.js'

/** As `withContext`, of a repository; of damage with how to get rid of it. */
export function withRepairHint(cause: unknown, where: string): SluiceError {
  const error = withContext(cause, where)
  if (!isDamage(error) || error.hint !== undefined) return error
  return new SluiceError(error.code, error.message, {
    cause,
    details: error.details,
    hint: '"sluice fsck" tells what else is damaged, "sluice fsck --repair" moves it aside',
  })
}
