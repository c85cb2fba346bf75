import { STATUS_CODES } from 'node:http'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { TSchema } from '@sinclair/typebox'
import type { FastifyBaseLogger, FastifyError, FastifyInstance, RawServerDefault } from 'fastify'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { BodyTooLargeError, codeOf, InternalError, InvalidBodyError, InvalidRequestError, isSnapshotError, messageOf, UnsupportedBodyError } from '../errors.ts'
import { problemIn } from '../schemas/fit.ts'

/** A scope of the host's Fastify whose routes are typed by their TypeBox schemas. */
export type Routes = FastifyInstance<RawServerDefault, IncomingMessage, ServerResponse, FastifyBaseLogger, TypeBoxTypeProvider>

/** The largest body a route takes, in bytes. */
export const BODY_LIMIT = 64 * 1024

const RETRY_AFTER_SECONDS = 5

/**
 * Gives a scope its own parsing, validation and errors, so that what a host has set for its own routes (another validator,
 * coercion, removal of unknown fields, an error page) does not change these.
 * @param isClosing while true, connections are not kept open: they would keep a closing server waiting
 */
export function applyOwnRules (app: FastifyInstance, isClosing: () => boolean): Routes {
  app.setValidatorCompiler<TSchema>(({ schema, httpPart }) => value => {
    const problem = problemIn(schema, value)
    return problem === undefined ? { value } : { error: new InvalidRequestError(`${String(httpPart)}${problem.path}: ${problem.words}`) }
  })
  app.setSerializerCompiler(() => JSON.stringify)
  app.setReplySerializer(payload => JSON.stringify(payload))
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'string', bodyLimit: BODY_LIMIT }, (request, body, done) => {
    if (body === '') return done(null, {})
    if (!/^application\/json\s*(;|$)/i.test(request.headers['content-type'] ?? '')) return done(new UnsupportedBodyError())
    try {
      done(null, JSON.parse(body as string))
    } catch (error) {
      done(new InvalidBodyError(messageOf(error), { cause: error }))
    }
  })
  // A POST without a body is one of {}: all its fields are optional.
  app.addHook('preValidation', async request => { request.body ??= {} })
  app.setErrorHandler<FastifyError>(async (error, request, reply) => {
    const { statusCode = 500, code, message } = explain(error)
    if (statusCode >= 500) request.log.error({ err: error }, message)
    if (statusCode === 503) reply.header('Retry-After', RETRY_AFTER_SECONDS)
    return await reply.code(statusCode).send({ statusCode, code, error: STATUS_CODES[statusCode], message })
  })
  app.addHook('onRoute', route => { route.config = { ...route.config, isOfSnapshots: true } })
  app.addHook('onSend', async (_request, reply) => { if (isClosing()) reply.header('Connection', 'close') })
  return app.withTypeProvider<TypeBoxTypeProvider>() as unknown as Routes
}

/** Fastify's own errors of a request in this package's codes; those of a host's `auth` function stay, but for failures. */
function explain (error: FastifyError): { statusCode?: number, code: string, message: string } {
  if (isSnapshotError(error)) return error
  const code = String(codeOf(error))
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new BodyTooLargeError(BODY_LIMIT)
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return new UnsupportedBodyError()
  const statusCode = error.statusCode ?? 500
  if (statusCode >= 500) return Object.assign(new InternalError(messageOf(error)), { statusCode })
  return code.startsWith('FST_ERR_') ? new InvalidRequestError(error.message) : error
}
