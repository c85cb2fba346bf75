import { codeOf } from '../errors.ts'

/**
 * Errors that say by their own code what an operator has to do. Others (of the storage, of an engine, unforeseen ones) are
 * the cause of "Failed to create snapshot" or "Restore failed".
 */
const FOR_CALLERS = /^FST_SNAPSHOT_(DATABASE_|NOT_A_DATABASE|NO_ROOM|CANCELLED|BUSY|DAMAGED|NOT_RESTORABLE|NOT_FOUND|NAME_TAKEN|DESTINATION_TAKEN|CREATE_FAILED|RESTORE_FAILED)/

export const isForCallers = (error: unknown): boolean => FOR_CALLERS.test(String(codeOf(error)))
