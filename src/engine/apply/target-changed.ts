import { isOfKind, type Kind } from '../database-kind.ts'
import type { LivePages } from '../pages/live-pages.ts'
import { headerOf, type PageSource } from '../pages/page-source.ts'

/** The live database has become another one while its lock was waited for; nothing was written. */
export class TargetChanged extends Error {}

/** @throws TargetChanged */
export function requireCurrent (pages: LivePages): void {
  if (!pages.areCurrent()) throw new TargetChanged('the database was replaced while its lock was waited for')
}

/**
 * The committed pages of the live database. Only under its write lock.
 * @throws TargetChanged where that is no longer the file, or the kind of file, that was looked at before
 */
export function currentPages (pages: LivePages, kind: Kind): PageSource {
  requireCurrent(pages)
  const committed = pages.committed()
  if (!isOfKind(headerOf(committed), kind)) throw new TargetChanged('the database was changed in kind while its lock was waited for')
  return committed
}
