/** What ended a write was the body or its owner, not the storage: its `cause` is passed on as it was thrown. */
export class BodyFailure extends Error {}

/**
 * The chunks of a body, ending at once when the signal is aborted, even where the body stalls.
 * @throws {@link BodyFailure} around the body's own error or the signal's reason
 */
export async function * abortable (body: AsyncIterable<Uint8Array>, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  const iterator = body[Symbol.asyncIterator]()
  let giveUp!: (reason: unknown) => void
  const abort = (): void => { giveUp(signal?.reason) }
  signal?.addEventListener('abort', abort)
  // A promise of its own for each step: one for all of them, in a race, would keep every chunk until the end.
  const next = async (): Promise<IteratorResult<Uint8Array>> => await new Promise((resolve, reject) => {
    giveUp = reason => { reject(new BodyFailure('the body was aborted', { cause: reason })) }
    if (signal?.aborted === true) return giveUp(signal.reason)
    iterator.next().then(resolve, (error: unknown) => { reject(new BodyFailure('the body failed', { cause: error })) })
  })
  try {
    for (let step = await next(); step.done !== true; step = await next()) yield step.value
  } finally {
    signal?.removeEventListener('abort', abort)
    void end(iterator) // not awaited: a body that stalls would keep it waiting
  }
}

/** Lets a body give up what it holds. How that ends changes nothing any more. */
async function end (iterator: AsyncIterator<Uint8Array>): Promise<void> {
  try {
    await iterator.return?.()
  } catch {}
}
