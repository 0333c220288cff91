#include "checkpoint/tensorflow/table/table_writer.h"

#include <leveldb/env.h>
#include <leveldb/options.h>
#include <leveldb/table_builder.h>

#include <exception>

namespace narrow {
namespace {

constexpr std::size_t kBlockBytes = 262144;

leveldb::Slice to_slice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }

leveldb::Options table_options() {
  leveldb::Options options;
  options.compression = leveldb::kNoCompression;
  options.block_size = kBlockBytes;
  options.block_restart_interval = 16;
  return options;
}

// LevelDB is compiled without exceptions: an error of the file waits here until LevelDB returned.
class TableOutput final : public leveldb::WritableFile {
 public:
  explicit TableOutput(OutputFile* file) : file_(file) {}

  leveldb::Status Append(const leveldb::Slice& data) override {
    try {
      file_->write(std::string_view(data.data(), data.size()));
      return leveldb::Status::OK();
    } catch (...) {
      error_ = std::current_exception();
      return leveldb::Status::IOError("write failed");
    }
  }
  leveldb::Status Close() override { return leveldb::Status::OK(); }
  leveldb::Status Flush() override { return leveldb::Status::OK(); }
  leveldb::Status Sync() override { return leveldb::Status::OK(); }

  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  OutputFile* file_;
  std::exception_ptr error_;
};

}  // namespace

struct TableWriter::Impl {
  explicit Impl(OutputFile* file) : output(file), builder(table_options(), &output) {}

  TableOutput output;
  leveldb::TableBuilder builder;
  bool finished = false;
};

TableWriter::TableWriter(OutputFile* file) : impl_(std::make_unique<Impl>(file)) {}

TableWriter::~TableWriter() {
  if (!impl_->finished) impl_->builder.Abandon();
}

void TableWriter::add(std::string_view key, std::string_view value) {
  impl_->builder.Add(to_slice(key), to_slice(value));
  impl_->output.rethrow();
}

void TableWriter::finish() {
  impl_->finished = true;
  impl_->builder.Finish();
  impl_->output.rethrow();
}

}  // namespace narrow
