/** What ended a write was the body or its owner, not the storage: its `cause` is passed on as it was thrown. */
export class BodyFailure extends Error {}

/**
 * The chunks of a body, ending at once when the signal is aborted, even where the body stalls.
 * @throws {@link BodyFailure} around the body's own error or the signal's reason
 */
export async function * abortable (body: AsyncIterable<Uint8Array>, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  const iterator = body[Symbol.asyncIterator]()
  const aborted = Promise.withResolvers<never>()
  const abort = (): void => { aborted.reject(signal?.reason) }
  signal?.addEventListener('abort', abort)
  const next = async (): Promise<IteratorResult<Uint8Array>> => {
    try {
      return await Promise.race([iterator.next(), aborted.promise])
    } catch (error) {
      throw new BodyFailure('the body failed', { cause: error })
    }
  }
  aborted.promise.catch(() => {})
  try {
    for (let step = await next(); step.done !== true; step = await next()) yield step.value
  } finally {
    signal?.removeEventListener('abort', abort)
    void iterator.return?.() // not awaited: a body that stalls would keep it waiting
  }
}
