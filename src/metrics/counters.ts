import { recorded, type Definition } from './definition.ts'

const RESTORE_OUTCOMES = ['success', 'failed', 'rolled_back']

export const counters: Definition[] = [
  recorded('snapshot_creations_total', 'Snapshot creations that ended, failed ones included'),
  recorded('snapshot_creation_failures_total', 'Snapshot creations that failed'),
  recorded('snapshot_verification_failures_total', 'Verifications that found damage'),
  {
    name: 'snapshot_restores_total',
    help: 'Restores that ended, by outcome',
    labels: ['outcome'],
    samples ({ recorded }) {
      const values = recorded('snapshot_restores_total')
      return RESTORE_OUTCOMES.map(outcome => [{ outcome }, values.get(outcome) ?? 0])
    }
  }
]
