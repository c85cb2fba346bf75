import { basename, extname, resolve } from 'node:path'
import { OptionError } from './errors.ts'
import { optionName } from './options-names.ts'

/**
 * The path in DATABASE_URL. Unlike what `new URL` makes of it, `file:./dev.db` is relative, as Prisma means it; a query is
 * ignored and %-escapes are decoded, as in SQLite's own URLs (https://sqlite.org/uri.html).
 */
export function databasePath (url: string): string {
  const refuse = (why: string): never => { throw new OptionError(`${optionName('database')}: ${why}`) }
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(url)?.[1]?.toLowerCase()
  if (scheme !== undefined && scheme !== 'file') refuse(`${scheme}: is not a SQLite database file; give a path or a file: URL`)
  if (/^(["']).*\1$/s.test(url)) refuse(`${url} stands in quotes; remove them`)
  if (url.includes(':memory:') || /[?&]mode=memory\b/.test(url)) refuse('a database in memory cannot be saved')
  let path = url
  if (scheme === 'file') {
    path = url.slice('file:'.length).replace(/[?#].*$/s, '').replace(/^\/\/(localhost)?(?=\/)/, '')
    if (path.startsWith('//')) refuse(`${url} names a host; write file:./path, file:/path or file:///path`)
    try {
      path = decodeURIComponent(path)
    } catch {
      refuse(`${url} has a wrong %-escape`)
    }
  }
  if (path === '' || path.includes('\0')) refuse('the path is empty or not one')
  if (path !== path.trimEnd()) refuse('the path ends in white space')
  return resolve(path)
}

/** A name made of a file's: `My App.db` is `my-app`. */
export function databaseSlug (path: string): string {
  const name = basename(path, extname(path)).toLowerCase().replace(/[^a-z0-9_-]+/g, '-').replace(/^-+|-+$/g, '').slice(0, 64)
  return name === '' ? 'database' : name
}
