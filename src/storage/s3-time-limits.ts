import type { IncomingMessage } from 'node:http'
import type { S3Client } from '@aws-sdk/client-s3'
import type { S3Settings } from './s3-options.ts'

/**
 * Ends an answer whose bytes stop, or that takes too long to come. The limits of the SDK are those of its first byte: what
 * trickles after it has none, and in older versions nor has what stops.
 */
export function limitAnswers (client: S3Client, { stallTimeout, requestTimeout }: Pick<S3Settings, 'stallTimeout' | 'requestTimeout'>): void {
  client.middlewareStack.add(next => async args => {
    const end = performance.now() + requestTimeout
    const result = await next(args)
    limit((result.response as { body: IncomingMessage }).body, stallTimeout, Math.max(1, end - performance.now()))
    return result
  }, { step: 'deserialize', priority: 'low', name: 'limitAnswers' })
}

function limit (answer: IncomingMessage, stallTimeout: number, timeLeft: number): void {
  const { socket } = answer
  // The SDK tries again after an error of this name.
  const end = (what: string) => () => { answer.destroy(Object.assign(new Error(`the answer ${what}`), { name: 'TimeoutError' })) }
  const stalled = end(`stopped for ${stallTimeout} ms`)
  const late = setTimeout(end('took too long'), timeLeft).unref()
  socket.setTimeout(stallTimeout)
  socket.on('timeout', stalled)
  answer.on('error', () => {}) // whoever reads it hears of it, too
  answer.once('close', () => {
    clearTimeout(late)
    socket.off('timeout', stalled)
  })
}
