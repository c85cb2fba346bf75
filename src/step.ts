const LISTENER = Symbol.for('fastify-sqlite-snapshots.step')

/**
 * Names a moment at which the process may be killed and nothing be lost. It does nothing, unless a test listens to end the
 * process just there (`npm run test:crash`).
 */
export function step (name: string): void {
  (globalThis as { [LISTENER]?: (name: string) => void })[LISTENER]?.(name)
}
