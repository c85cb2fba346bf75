import { join } from 'node:path'
import { filesIn } from './damage.ts'

/** Paths of the stored packs of a host's snapshots. */
export const packsOf = (folder: string): string[] => filesIn(join(folder, 'backups')).filter(file => file.endsWith('data.zst'))
