import type { SerializedError } from '../errors.ts'
import type { ApplyImageInput, ApplyImageResult } from './apply/apply-image.ts'
import type { TakeBackupInput } from './apply/backup-checksum.ts'
import type { CheckIntegrityInput, IntegrityReport } from './check-integrity.ts'
import type { CheckpointInput } from './checkpoint.ts'
import type { CopyDatabaseInput } from './apply/copy-database.ts'
import type { CreateImageInput, CreateImageResult } from './create/create-image.ts'
import type { JudgeContentInput, Verdict } from './apply/judge-content.ts'
import type { ReplaceFileInput, ReplaceFileResult } from './apply/replace-file.ts'
import type { KeepFilesInput } from './apply/keep-files.ts'
import type { SettleReplacementInput } from './apply/settle-replacement.ts'
import type { MendCatalogInput, MendedCatalog } from './mend-catalog.ts'
import type { MakeEmptyInput } from './make-empty.ts'
import type { InspectTablesInput } from './tables/inspect-tables.ts'
import type { DatabaseContents, DatabaseDiff } from './tables/reports.ts'
import type { DiffTablesInput } from './tables/diff-tables.ts'
import type { RestoreTablesInput, RestoreTablesResult } from './tables/restore-tables.ts'
import type { SalvageInput } from './salvage/salvage.ts'
import type { SalvageReport } from './salvage/report.ts'
import type { MigrateInput } from './migrate.ts'
import type { StageImageInput, StageImageResult } from './stage/stage-image.ts'
import type { FileState } from './pages/file-state.ts'

/** What an engine can be asked to do, with what goes in and what comes out. */
export interface Tasks {
  'create-image': { input: CreateImageInput, result: CreateImageResult }
  'stage-image': { input: StageImageInput, result: StageImageResult }
  'copy-database': { input: CopyDatabaseInput, result: FileState | null }
  'apply-image': { input: ApplyImageInput, result: ApplyImageResult }
  'settle-replacement': { input: SettleReplacementInput, result: boolean }
  'take-backup': { input: TakeBackupInput, result: boolean }
  'keep-files': { input: KeepFilesInput, result: boolean }
  'make-empty': { input: MakeEmptyInput, result: void }
  'replace-file': { input: ReplaceFileInput, result: ReplaceFileResult }
  'check-integrity': { input: CheckIntegrityInput, result: IntegrityReport }
  'judge-content': { input: JudgeContentInput, result: Verdict }
  'inspect-tables': { input: InspectTablesInput, result: DatabaseContents }
  'diff-tables': { input: DiffTablesInput, result: DatabaseDiff }
  'restore-tables': { input: RestoreTablesInput, result: RestoreTablesResult }
  salvage: { input: SalvageInput, result: SalvageReport }
  migrate: { input: MigrateInput, result: void }
  'mend-catalog': { input: MendCatalogInput, result: MendedCatalog }
  checkpoint: { input: CheckpointInput, result: void }
}
export type TaskName = keyof Tasks

/** A part of a pack that the engine wants next on its stdin. */
export interface PackRange { pack: string, offset: number, length: number }

/** What happens while a task runs; the engine waits until the host has dealt with it. */
export interface EngineEvent {
  /** The page map was read: these ranges are wanted, in this order. */
  type: 'plan'
  ranges: PackRange[]
}

export type ToEngine = { type: 'run', task: TaskName, input: unknown } | { type: 'acknowledge' }
export type FromEngine = { type: 'event', event: EngineEvent } | { type: 'result', result: unknown } | { type: 'error', error: SerializedError }

/** What a task can use besides its input. */
export interface EngineContext {
  /** Bytes from the host. */
  input: AsyncIterable<Buffer>
  /** Tells the host of an event and waits for its acknowledgement. */
  tell: (event: EngineEvent) => Promise<void>
}
