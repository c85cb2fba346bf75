import createError from '@fastify/error'

/*
 * Every error of this package. Each carries a stable `code`, the HTTP status the routes answer with, and, where another
 * error led to it, that error as `cause`. The message says what happened and what to do.
 */

/** A kind of error: a class whose arguments fill in the message, and may end with `{ cause }`. */
export interface SnapshotErrorConstructor<Code extends string> {
  new (...words: unknown[]): Error & { code: Code, statusCode: number }
  (...words: unknown[]): Error & { code: Code, statusCode: number }
  readonly prototype: Error & { code: Code, statusCode: number }
}

/** `createError` with a return type of our own: that of @fastify/error does not compile in every application. */
function define<Code extends string> (code: Code, message: string, statusCode: number, Base?: ErrorConstructor): SnapshotErrorConstructor<Code> {
  return createError<Code, number>(code, message, statusCode, Base)
}

/** An option or environment variable has a wrong value; the message names it. Thrown at registration or construction. */
export const OptionError = define('FST_SNAPSHOT_INVALID_OPTION', 'Invalid option: %s', 500, TypeError)

/** The request's body, query or parameters do not fit the route's schema. */
export const InvalidRequestError = define('FST_SNAPSHOT_INVALID_REQUEST', 'Invalid request: %s', 400)
/** The request's body is not JSON. */
export const InvalidBodyError = define('FST_SNAPSHOT_INVALID_BODY', 'The body is not valid JSON: %s', 400)
/** The request's body has another content type than JSON. */
export const UnsupportedBodyError = define('FST_SNAPSHOT_UNSUPPORTED_BODY', 'The body must be JSON, sent with Content-Type: application/json', 415)
/** The request's body is larger than a route takes. */
export const BodyTooLargeError = define('FST_SNAPSHOT_BODY_TOO_LARGE', 'The body is too large: these routes take at most %d bytes', 413)
/** Something unforeseen; the log has more. */
export const InternalError = define('FST_SNAPSHOT_INTERNAL', 'Internal error: %s', 500)
/** A snapshot name breaks the naming rule. */
export const InvalidNameError = define('FST_SNAPSHOT_INVALID_NAME', 'Invalid snapshot name %s: %s', 400)

/** The request carries no credentials, or wrong ones. */
export const UnauthorizedError = define('FST_SNAPSHOT_UNAUTHORIZED', 'Send a valid token as "Authorization: Bearer <token>"', 401)
/** The credentials are valid, their role is too low. */
export const ForbiddenError = define('FST_SNAPSHOT_FORBIDDEN', 'This needs the role "%s"', 403)

/** No such snapshot. */
export const NotFoundError = define('FST_SNAPSHOT_NOT_FOUND', 'There is no %s', 404)

/** The name belongs to another snapshot. */
export const NameTakenError = define('FST_SNAPSHOT_NAME_TAKEN', 'There is already a snapshot named %s; choose another name or delete that one first', 409)
/** What replaces the database was not confirmed by its name. */
export const ConfirmationError = define('FST_SNAPSHOT_NOT_CONFIRMED', 'This replaces the content of the database. To confirm it, send {"confirm": "%s"}, the name of the database', 400)
/** The application takes no changes for now. */
export const MaintenanceError = define('FST_SNAPSHOT_MAINTENANCE', 'No changes are taken for now: %s. Try again later', 503)
/** Another process works on the snapshots of this database. */
export const BusyError = define('FST_SNAPSHOT_BUSY', 'Another process is working on the snapshots of this database; try again when it is done', 409)
/** The snapshot is pinned. */
export const PinnedError = define('FST_SNAPSHOT_PINNED', 'The snapshot %s is pinned; unpin it before deleting it', 409)
/** The snapshot belongs to another deployment, which alone may change or delete it. */
export const NotOwnError = define('FST_SNAPSHOT_NOT_OWN', 'The snapshot %s belongs to another deployment (%s), which alone may change or delete it. You can restore it; if that deployment is gone for good, take its snapshots over first, by a script: await new SnapshotWriter().adoptSnapshots()', 409)
/** The snapshot cannot be restored, for the reason given. */
export const NotRestorableError = define('FST_SNAPSHOT_NOT_RESTORABLE', 'The snapshot %s cannot be restored: %s', 409)

/** Something is where a snapshot was to be restored to as a file. */
export const DestinationTakenError = define('FST_SNAPSHOT_DESTINATION_TAKEN', 'There is already something at %s; choose a path where neither a file nor a -wal, -shm or -journal of one is, or move it aside first', 409)

/** What is stored of the snapshot is damaged, incomplete, or of a newer version. Nothing was changed. */
export const SnapshotDamagedError = define('FST_SNAPSHOT_DAMAGED', 'The snapshot is damaged or unreadable: %s', 422)

/** A creation failed for a reason that has no code of its own. */
export const CreateFailedError = define('FST_SNAPSHOT_CREATE_FAILED', 'Failed to create snapshot: %s', 500)
/** A restore failed for a reason that has no code of its own; the live database has its old content. */
export const RestoreFailedError = define('FST_SNAPSHOT_RESTORE_FAILED', 'Restore failed: %s', 500)
/** An operation was cancelled because the application closes or has closed, or by its caller. */
export const CancelledError = define('FST_SNAPSHOT_CANCELLED', 'Cancelled: %s', 503)
/** The process that worked on it ended in the middle. */
export const InterruptedError = define('FST_SNAPSHOT_INTERRUPTED', 'Interrupted: %s', 500)
/** Too many operations wait already. */
export const QueueFullError = define('FST_SNAPSHOT_QUEUE_FULL', '%d operations are waiting already; try again later', 503)

/** The database file does not exist. */
export const DatabaseMissingError = define('FST_SNAPSHOT_DATABASE_MISSING', 'There is no database at %s; restore a snapshot, or check DATABASE_URL or the option "database"', 500)
/** The file is not a SQLite database. */
export const NotADatabaseError = define('FST_SNAPSHOT_NOT_A_DATABASE', '%s is not a SQLite database. Check DATABASE_URL or the option "database"; if that path is right, the header of the file is damaged: restore a snapshot, and it takes the place of the file', 500)
/** The database failed its integrity check. */
export const DatabaseDamagedError = define('FST_SNAPSHOT_DATABASE_DAMAGED', 'The database %s is damaged: %s. Restore a snapshot from before the damage', 500)
/** The database, or its folder, cannot be written by this process. */
export const DatabaseUnwritableError = define('FST_SNAPSHOT_DATABASE_UNWRITABLE', 'The database %s or its folder is not writable; SQLite must write there even to read safely. Check owner and mode', 500)
/** The database stayed locked for the whole lock timeout. */
export const DatabaseLockedError = define('FST_SNAPSHOT_DATABASE_LOCKED', 'The database %s stayed locked for %d ms; end long transactions, or switch off locking_mode=EXCLUSIVE in the application, and try again', 503)
/** The disk is full, or would be. */
export const NoRoomError = define('FST_SNAPSHOT_NO_ROOM', 'Not enough disk space: %s', 507)

/** The storage refused or failed an operation. */
export const StorageError = define('FST_SNAPSHOT_STORAGE_FAILED', 'Storage "%s" failed: %s', 500)
/** The storage does not let this process in: credentials, their rights, or its clock are wrong. */
export const StorageDeniedError = define('FST_SNAPSHOT_STORAGE_DENIED', 'Storage "%s" refused access: %s', 500)
/** The storage cannot be reached, is overloaded, or broke off; later it may work. */
export const StorageUnavailableError = define('FST_SNAPSHOT_STORAGE_UNAVAILABLE', 'Storage "%s" is not available: %s', 503)
/** The object does not exist in the storage. */
export const StorageMissingError = define('FST_SNAPSHOT_STORAGE_MISSING', 'Storage "%s" has no object %s', 404)
/** The object exists already and must not be overwritten. */
export const StorageExistsError = define('FST_SNAPSHOT_STORAGE_EXISTS', 'Storage "%s" has an object %s already', 409)
/** A storage key is not of the allowed form. */
export const StorageKeyError = define('FST_SNAPSHOT_STORAGE_KEY', 'Invalid storage key %s', 500)

/** A package that only some need is not installed. */
export const PackageMissingError = define('FST_SNAPSHOT_PACKAGE_MISSING', '%s, install what that needs: npm install %s', 500)

/** The catalog cannot be opened, or is found damaged later. */
export const CatalogUnusableError = define('FST_SNAPSHOT_CATALOG_UNUSABLE', 'The catalog %s cannot be used: %s. This process must be able to write in its folder, the option "snapshotDir" (SNAPSHOT_DIR). If the catalog is damaged, move it aside with its -wal and -shm to begin a new one; the snapshots themselves stay where they are', 500)

/** The engine process ended without an answer. */
export const EngineFailedError = define('FST_SNAPSHOT_ENGINE_FAILED', 'The engine process ended unexpectedly (%s)', 500)

/** An error as it crosses the boundary of a process. */
export interface SerializedError {
  message: string
  code?: string
  statusCode?: number
  pack?: string
  stack?: string
  cause?: SerializedError
}

/** The error, saying which pack it is about. */
export function aboutPack (error: unknown, pack: string): unknown {
  return Object.assign(error as object, { pack })
}

/** The pack that an error, or one of its causes, is about. */
export function packOf (error: unknown): string | undefined {
  const { pack, cause } = Object(error) as { pack?: string, cause?: unknown }
  return pack ?? (cause === undefined ? undefined : packOf(cause))
}

/** True for the errors of this package. */
export function isSnapshotError (error: unknown): error is Error & { code: string, statusCode: number } {
  return error instanceof Error && String((error as { code?: unknown }).code).startsWith('FST_SNAPSHOT_')
}

/** The message of anything thrown. */
export function messageOf (error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The code of anything thrown, or undefined. */
export function codeOf (error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : undefined
}

/** The same kind of error, with words about what it means here. */
export function withWords (error: unknown, words: string): Error {
  const { code, statusCode } = Object(error) as { code?: string, statusCode?: number }
  return Object.assign(new Error(`${messageOf(error)}. ${words}`, { cause: error }), { code, statusCode })
}

const CAUSES_KEPT = 8

/** Makes an error fit for an IPC message. */
export function serializeError (error: unknown, causes = CAUSES_KEPT): SerializedError {
  const { statusCode, pack, cause, stack } = (error ?? {}) as { statusCode?: number, pack?: string, cause?: unknown, stack?: string }
  return {
    message: messageOf(error),
    ...(codeOf(error) !== undefined && { code: codeOf(error) }),
    ...(statusCode !== undefined && { statusCode }),
    ...(pack !== undefined && { pack }),
    ...(stack !== undefined && { stack }),
    ...(cause !== undefined && causes > 0 && { cause: serializeError(cause, causes - 1) })
  }
}

/** The reverse of {@link serializeError}: code, status, stack and cause are those of the other process. */
export function deserializeError ({ message, cause, ...rest }: SerializedError): Error {
  return Object.assign(new Error(message, cause && { cause: deserializeError(cause) }), rest)
}
