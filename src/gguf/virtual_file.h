#pragma once
// One GGUF file that exists nowhere: a model, all its parts merged, in which some tensors hold other bytes, also of
// another type. They are made when they are read. Does not know how they are made, nor who reads.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "gguf/writer.h"

namespace fakequant {

// For one thread at a time. Takes the memory of the header and of one made tensor.
class VirtualFile {
 public:
  // Gives the bytes of a tensor, by its index in Model::tensors(), in the type that it is planned as: as many as
  // that takes (checked).
  using MakeTensor = std::function<std::vector<std::byte>(size_t tensor_index)>;

  // Tensor i is stored as types[i]; where `made[i]` is true its bytes come from `make_tensor`, else from the model's
  // file (then the type must be the model's own). The layout is plan_merged_layout's, which says what throws.
  // The model must outlive the result.
  VirtualFile(const Model& model, std::span<const TensorType> types, std::vector<bool> made,
              MakeTensor make_tensor);
  VirtualFile(const VirtualFile&) = delete;
  VirtualFile& operator=(const VirtualFile&) = delete;

  const std::string& path() const { return model_.path(); }  // the model's, for messages
  uint64_t size() const { return layout_.size; }

  // Copies the bytes from `offset` on into `target`, as many as there are before the end of the file; returns how
  // many. Any order works, but only the tensor that was made last is kept: going back and forth between two makes
  // them again. Throws what make_tensor throws, and Error when a file of the model cannot be read.
  size_t read(uint64_t offset, std::span<std::byte> target);

  struct Close {
    void operator()(std::FILE* stream) const;
  };
  using Stream = std::unique_ptr<std::FILE, Close>;
  // The file for C's functions (fread, fseek, ftell), read only. Seeking makes no tensor, reading makes no other than
  // those that are read. What read() throws is kept, and the stream fails instead (ferror). One at a time; when it is
  // closed, no made tensor stays in memory. The VirtualFile must outlive it.
  Stream open_stream();

  // Throws what the last stream met, once; does nothing when it met no error.
  void rethrow_error();

 private:
  struct Zeros {};
  struct FileBytes {
    const MappedFile* file;
    uint64_t offset;
  };
  struct MadeTensor {
    size_t index;
  };
  // Pieces follow each other without a gap; none is empty.
  struct Piece {
    uint64_t offset;
    uint64_t bytes;
    std::variant<Zeros, std::span<const std::byte>, FileBytes, MadeTensor> source;
  };
  struct Cursor;

  void add_piece(uint64_t bytes, decltype(Piece::source) source);
  void add_gap(uint64_t end);
  void read_piece(const Piece& piece, uint64_t start, std::span<std::byte> target);
  std::vector<Piece>::const_iterator piece_at(uint64_t offset) const;
  const std::vector<std::byte>& made_tensor(size_t index);

  const Model& model_;
  FileLayout layout_;
  MakeTensor make_tensor_;
  std::vector<Piece> pieces_;
  std::optional<size_t> kept_index_;  // of the tensor whose bytes are in kept_
  std::vector<std::byte> kept_;
  std::exception_ptr error_;
};

}  // namespace fakequant
