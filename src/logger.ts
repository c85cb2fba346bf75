/** Where messages go: a subset of pino's logger, so `app.log` fits. */
export interface Logger {
  info: (details: object, message: string) => void
  warn: (details: object, message: string) => void
  error: (details: object, message: string) => void
}

/** Says nothing. */
export const silentLogger: Logger = { info () {}, warn () {}, error () {} }
