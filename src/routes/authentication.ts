import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { ForbiddenError, UnauthorizedError } from '../errors.ts'
import type { PluginSettings, Role, TokenOptions } from '../options.ts'

/** Tells the role of a request's sender, or null. */
export type Authenticate = (request: FastifyRequest) => Promise<Role | null>

const digest = (token: string): Buffer => createHash('sha256').update(token).digest()

/** Tells roles as the option `auth` says. Tokens are compared by digest in constant time, and never kept in the clear. */
export function authentication (auth: PluginSettings['auth']): Authenticate {
  if (auth === false) return async () => 'admin'
  if (typeof auth === 'function') {
    return async request => {
      const role = await auth(request)
      return role === 'viewer' || role === 'admin' ? role : null
    }
  }
  const tokens = digests(auth)
  return async ({ headers: { authorization = '' } }) => {
    const [, token] = /^bearer +(\S+) *$/i.exec(authorization) ?? []
    if (token === undefined) return null
    const given = digest(token)
    let role: Role | null = null
    for (const known of tokens) {
      if (timingSafeEqual(known.digest, given)) role = known.role
    }
    return role
  }
}

/** Admins last: a token given to both roles is an admin's. */
function digests ({ viewer = [], admin = [] }: TokenOptions): Array<{ role: Role, digest: Buffer }> {
  return ([['viewer', viewer], ['admin', admin]] as const).flatMap(([role, tokens]) => [tokens].flat().map(token => ({ role, digest: digest(token) })))
}

/** A hook that lets only senders of a role pass; it comes before the body is read. */
export function requireRole (authenticate: Authenticate, role: Role) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const given = await authenticate(request)
    if (given === null) {
      reply.header('WWW-Authenticate', 'Bearer')
      throw new UnauthorizedError()
    }
    if (role === 'admin' && given !== 'admin') throw new ForbiddenError(role)
  }
}
