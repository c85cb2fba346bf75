import { requireFit } from '../schemas/fit.ts'
import { RetentionBody } from '../schemas/requests.ts'
import type { SnapshotContext } from './context.ts'
import type { Replicas } from './replicas/replicas.ts'
import { applyRetention, planRetention } from './retention/apply-retention.ts'
import type { RetentionPlan, RetentionResult, RetentionRun } from './retention/retention-plan.ts'
import { runOperation } from './run-operation.ts'

/** Deletes the snapshots that no rule keeps. It runs by itself after each creation and on schedule. */
export class SnapshotRetention {
  readonly #context: SnapshotContext
  readonly #replicas: Replicas

  /** @internal */
  constructor (context: SnapshotContext, replicas: Replicas) {
    this.#context = context
    this.#replicas = replicas
  }

  /** What would be deleted now, and of each snapshot the rules that keep it. Nothing is changed. */
  async plan (): Promise<RetentionPlan> {
    this.#context.catalog.requireOpen()
    await this.#replicas.known()
    return await planRetention(this.#context)
  }

  /**
   * Deletes what no rule keeps, in all storages, and failed creations that are old. What fails is logged and tried again.
   * @param options `includeHeld`: also what is held because the newest snapshot is so much smaller
   */
  async apply (options: RetentionRun = {}): Promise<RetentionResult> {
    requireFit(RetentionBody, options, 'options')
    await this.#replicas.known() // every copy is to go
    return await runOperation(this.#context, async signal => await applyRetention(this.#context, signal, options)).finally(() => { this.#replicas.wake() })
  }
}
