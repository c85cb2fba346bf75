import { join } from 'node:path'
import type { Test } from 'tap'
import { S3Storage, type S3StorageOptions, type SnapshotStorage } from '../../src/index.ts'
import { noRealS3, realS3 } from './real-s3.ts'
import { RemoteStorage } from './remote-storage.ts'
import { startS3Emulator } from './s3-emulator.ts'

/** Where a place is that several deployments can share; another process can be told so as JSON. */
export type Place = { root: string } | S3StorageOptions

/** Opens it as one more host does. */
export const openPlace = (place: Place): SnapshotStorage => 'root' in place ? new RemoteStorage(place.root) : new S3Storage({ ...place, name: 'remote' })

export interface SharedPlaces {
  what: string
  /** Why there are none, or false. */
  skip: string | false
  /** An empty one. Only once the test has its folder. */
  make: (t: Test) => Promise<Place>
}

/** All kinds of them. */
export const sharedPlaces: SharedPlaces[] = [
  { what: 'a remote folder', skip: false, make: async t => ({ root: join(t.testdirName, 'remote') }) },
  { what: 'an S3 emulator', skip: false, make: async t => ({ ...await startS3Emulator(t), prefix: 'backups' }) },
  { what: 'a real S3 server', skip: noRealS3, make: async () => await realS3() }
]
