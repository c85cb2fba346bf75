/*
 * Where the parts of a snapshot stand in a storage, stored form version 1:
 *
 *   <database>/packs/<packId>/data.zst
 *   <database>/snapshots/<snapshotId>.json
 *   <database>/marks/<snapshotId>.json
 */

/** Everything of one database. */
export const databasePrefix = (database: string): string => `${database}/`
/** All manifests of one database. */
export const manifestPrefix = (database: string): string => `${database}/snapshots/`
/** All packs of one database. */
export const packPrefix = (database: string): string => `${database}/packs/`
/** All marks of one database. */
export const marksPrefix = (database: string): string => `${database}/marks/`
export const packKey = (database: string, packId: string): string => `${packPrefix(database)}${packId}/data.zst`
export const manifestKey = (database: string, snapshotId: string): string => `${manifestPrefix(database)}${snapshotId}.json`
export const marksKey = (database: string, snapshotId: string): string => `${marksPrefix(database)}${snapshotId}.json`
