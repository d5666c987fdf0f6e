#include "gguf/virtual_file.h"

#include <sys/types.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/text.h"

namespace fakequant {

VirtualFile::VirtualFile(const Model& model, std::span<const TensorType> types, std::vector<bool> made,
                         MakeTensor make_tensor)
    : model_(model), layout_(plan_merged_layout(model, types)), make_tensor_(std::move(make_tensor)) {
  FQ_CHECK(made.size() == types.size());
  if (layout_.header_unchanged) {
    add_piece(layout_.data_offset, model.shards().front().bytes().first(layout_.data_offset));
  } else {
    add_piece(layout_.head.size(), std::span<const std::byte>(layout_.head));
    for (std::span<const std::byte> run : layout_.kept_metadata) add_piece(run.size(), run);
    add_piece(layout_.tail.size(), std::span<const std::byte>(layout_.tail));
  }
  for (size_t i = 0; i < types.size(); ++i) {
    const TensorLayout& tensor = layout_.tensors[i];
    FQ_CHECK(made[i] || tensor.type == tensor.source->type);
    if (tensor.data_bytes == 0) continue;
    add_gap(tensor.data_offset);
    if (made[i]) {
      add_piece(tensor.data_bytes, MadeTensor{i});
    } else {
      const GgufFile& shard = model.shards()[model.tensors()[i].shard_index];
      add_piece(tensor.data_bytes, FileBytes{&shard.file(), tensor.source->data_offset});
    }
  }
  add_gap(layout_.size);
}

void VirtualFile::add_piece(uint64_t bytes, decltype(Piece::source) source) {
  uint64_t offset = pieces_.empty() ? 0 : pieces_.back().offset + pieces_.back().bytes;
  if (bytes > 0) pieces_.push_back({offset, bytes, source});
}

// Padding, and what stands behind the last tensor, up to `end`.
void VirtualFile::add_gap(uint64_t end) {
  uint64_t start = pieces_.empty() ? 0 : pieces_.back().offset + pieces_.back().bytes;
  FQ_CHECK(start <= end);
  if (layout_.header_unchanged) {
    add_piece(end - start, FileBytes{&model_.shards().front().file(), start});
  } else {
    add_piece(end - start, Zeros{});
  }
}

const std::vector<std::byte>& VirtualFile::made_tensor(size_t index) {
  if (kept_index_ == index) return kept_;
  kept_index_.reset();
  kept_ = {};  // before the next one is made: never two at a time
  kept_ = make_tensor_(index);
  FQ_CHECK(kept_.size() == layout_.tensors[index].data_bytes);
  kept_index_ = index;
  return kept_;
}

// Copies the bytes of a piece from its byte `start` on.
void VirtualFile::read_piece(const Piece& piece, uint64_t start, std::span<std::byte> target) {
  if (const auto* bytes = std::get_if<std::span<const std::byte>>(&piece.source)) {
    std::memcpy(target.data(), bytes->data() + start, target.size());
  } else if (const auto* range = std::get_if<FileBytes>(&piece.source)) {
    range->file->read(range->offset + start, target);
  } else if (const auto* made = std::get_if<MadeTensor>(&piece.source)) {
    std::memcpy(target.data(), made_tensor(made->index).data() + start, target.size());
  } else {
    std::memset(target.data(), 0, target.size());
  }
}

std::vector<VirtualFile::Piece>::const_iterator VirtualFile::piece_at(uint64_t offset) const {
  FQ_CHECK(offset < size());
  auto next = std::upper_bound(pieces_.begin(), pieces_.end(), offset,
                               [](uint64_t wanted, const Piece& piece) { return wanted < piece.offset; });
  return next - 1;
}

size_t VirtualFile::read(uint64_t offset, std::span<std::byte> target) {
  if (offset >= size()) return 0;
  target = target.first(static_cast<size_t>(std::min<uint64_t>(target.size(), size() - offset)));
  size_t done = 0;
  for (auto piece = piece_at(offset); done < target.size(); ++piece) {
    uint64_t start = offset + done - piece->offset;
    auto count = static_cast<size_t>(std::min<uint64_t>(piece->bytes - start, target.size() - done));
    read_piece(*piece, start, target.subspan(done, count));
    done += count;
  }
  return done;
}

// What stands behind a stream: glibc calls these functions, through which no exception may go.
struct VirtualFile::Cursor {
  explicit Cursor(VirtualFile& served) : file(served) {}

  VirtualFile& file;
  uint64_t offset = 0;
  std::FILE* stream = nullptr;
  // A stream of this kind has no other way than through its buffer: without one it reads byte by byte.
  std::vector<char> buffer = std::vector<char>(size_t{1} << 18);

  // To seek, glibc goes to a multiple of the buffer's size and reads from there up to the place that was asked for.
  // That would make the tensor in front of the place. It asks for less than a buffer then, or holds what it has read
  // before; when it fills the buffer to be read, neither is so.
  bool is_filled_for_a_seek(size_t bytes) const {
    return bytes < buffer.size() || stream->_IO_read_base != stream->_IO_read_end;
  }

  static ssize_t read(void* cookie, char* target, size_t bytes) {
    auto* cursor = static_cast<Cursor*>(cookie);
    VirtualFile& file = cursor->file;
    // Answered with nothing, it goes to the place itself.
    if (cursor->is_filled_for_a_seek(bytes) || cursor->offset >= file.size()) return 0;
    try {
      auto piece = file.piece_at(cursor->offset);
      uint64_t rest =
          piece->offset + piece->bytes - cursor->offset;  // not into the next one: it may have to be made
      std::span<char> wanted(target, static_cast<size_t>(std::min<uint64_t>(bytes, rest)));
      size_t count = file.read(cursor->offset, std::as_writable_bytes(wanted));
      cursor->offset += count;
      return static_cast<ssize_t>(count);
    } catch (...) {
      file.error_ = std::current_exception();
      errno = EIO;
      return -1;
    }
  }

  static int seek(void* cookie, off64_t* offset, int whence) {
    auto* cursor = static_cast<Cursor*>(cookie);
    uint64_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? cursor->offset : cursor->file.size();
    int64_t target = 0;
    bool overflows = __builtin_add_overflow(static_cast<int64_t>(from), *offset, &target);
    if (overflows || target < 0) {
      errno = EINVAL;
      return -1;
    }
    cursor->offset = static_cast<uint64_t>(target);
    *offset = target;
    return 0;
  }

  static int close(void* cookie) {
    auto* cursor = static_cast<Cursor*>(cookie);
    cursor->file.kept_index_.reset();
    cursor->file.kept_ = {};
    delete cursor;
    return 0;
  }
};

void VirtualFile::Close::operator()(std::FILE* stream) const {
  std::fclose(stream);
}

VirtualFile::Stream VirtualFile::open_stream() {
  error_ = nullptr;
  auto cursor = std::make_unique<Cursor>(*this);
  Stream stream(fopencookie(cursor.get(), "r", {Cursor::read, nullptr, Cursor::seek, Cursor::close}));
  if (stream == nullptr)
    throw Error("{}: cannot be opened in memory: {}", printable(path()), std::strerror(errno));
  cursor->stream = stream.get();
  std::setvbuf(stream.get(), cursor->buffer.data(), _IOFBF, cursor->buffer.size());
  static_cast<void>(cursor.release());  // Cursor::close deletes it
  return stream;
}

void VirtualFile::rethrow_error() {
  if (error_ != nullptr) std::rethrow_exception(std::exchange(error_, nullptr));
}

}  // namespace fakequant
