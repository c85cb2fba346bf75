import { messageOf } from '../errors.ts'
import type { SnapshotHooks } from '../hooks.ts'
import type { SnapshotContext } from './context.ts'

type Argument<K extends keyof SnapshotHooks> = Parameters<NonNullable<SnapshotHooks[K]>>[0]

/** Calls a hook of the application, waiting for it. @throws what it throws */
export async function callHook<K extends keyof SnapshotHooks> ({ settings }: SnapshotContext, name: K, argument: Argument<K>): Promise<void> {
  const hooks: SnapshotHooks = settings
  await (hooks[name] as ((argument: Argument<K>) => void | Promise<void>) | undefined)?.(argument)
}

/** The same, but no longer than `replaceTimeout`, nor than the signal allows. @throws what it throws, or that it takes too long */
export async function callHookInTime<K extends keyof SnapshotHooks> (context: SnapshotContext, name: K, argument: Argument<K>, signal?: AbortSignal): Promise<void> {
  const { replaceTimeout } = context.settings
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => { late.reject(new Error(`it was not done after ${replaceTimeout} ms`)) }, replaceTimeout)
  const abort = (): void => { late.reject(signal?.reason) }
  signal?.addEventListener('abort', abort, { once: true })
  try {
    await Promise.race([callHook(context, name, argument), late.promise])
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}

/** Tells the application, which nothing waits for; what goes wrong there is logged. */
export function tellHook<K extends keyof SnapshotHooks> (context: SnapshotContext, name: K, argument: Argument<K>): void {
  void callHook(context, name, argument).catch((error: unknown) => {
    context.logger.error({ err: error }, `The hook ${name} failed: ${messageOf(error)}`)
  })
}
