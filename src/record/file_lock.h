#pragma once
// One writer for a file: the others are refused. Knows nothing of what is in it.

#include "record/regular_file.h"

namespace fakequant {

// Locks the file for as long as it is open here; the lock ends with the process, however it ends, and programs that it starts do not
// hold it. Readers are not kept away.
//
//   throws   Error when it is locked already, by another process (named by its number where the system tells it) or by another
//            RegularFile of this one; when the file system has no locks
void lock_file(const RegularFile& file);

}  // namespace fakequant
