/** The codecs of Sluice, `sluice/formats`: bytes in, values out, and back; synchronous, no input or output. */
export { fromByteString, toByteString, type ByteString } from './bytes.js'
export { objectPath, parseObjectId, type Digest, type HashAlgorithm, type ObjectId } from './digest.js'
export {
  SplitDirReader,
  splitDirChunkToBytes,
  type SplitDirChunk,
  type SplitDirFile,
} from './cstor/splitdirfdstream.js'
export { SplitFdReader, splitFdChunkToBytes, type SplitFdChunk } from './cstor/splitfdstream.js'
export { readDumpfile, type Dumpfile } from './dumpfile/read.js'
export { countReferences, writeDumpfile } from './dumpfile/write.js'
export { chooseVersion } from './erofs/choose-version.js'
export { MAX_IMAGE_SIZE, type ErofsVersion } from './erofs/format.js'
export { checkErofs, listErofsObjects } from './erofs/list-objects.js'
export { loadErofsTree } from './erofs/load.js'
export { openErofs, type ErofsImage } from './erofs/open.js'
export { writeErofs, type WriteErofsOptions } from './erofs/write.js'
export { readSplitstream, type Splitstream } from './splitstream/read.js'
export { TarEntryReader, type TarEntry } from './tar/entries.js'
export { TarSplitter, type TarSink } from './tar/split.js'
export { LayerMerger } from './tree/merge.js'
export { finishTree, type XattrMode } from './tree/transform.js'
export type { Directory, Leaf, LeafContent, Stat, TreeNode } from './tree/tree.js'
export { VerityHasher, verityAlgorithmName, verityDigest } from './verity/digest.js'
