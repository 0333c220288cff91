#include "checkpoint/tensorflow/table/table_reader.h"

#include <leveldb/iterator.h>
#include <leveldb/options.h>
#include <leveldb/table.h>

#include <utility>

#include "checkpoint/tensorflow/table/table_guard.h"

namespace narrow {
namespace {

std::string_view to_view(const leveldb::Slice& slice) { return {slice.data(), slice.size()}; }

}  // namespace

struct TableReader::Impl {
  explicit Impl(InputFile file) : guard(std::move(file)) {}

  [[nodiscard]] std::unique_ptr<leveldb::Iterator> new_iterator() const {
    leveldb::ReadOptions options;
    options.verify_checksums = true;
    options.fill_cache = false;
    return std::unique_ptr<leveldb::Iterator>(table->NewIterator(options));
  }

  TableGuard guard;
  std::unique_ptr<leveldb::Table> table;
};

TableCursor::TableCursor(std::unique_ptr<leveldb::Iterator> iterator)
    : iterator_(std::move(iterator)) {
  throw_status(iterator_->status());
}

TableCursor::TableCursor(TableCursor&&) noexcept = default;
TableCursor& TableCursor::operator=(TableCursor&&) noexcept = default;
TableCursor::~TableCursor() = default;

bool TableCursor::valid() const { return iterator_->Valid(); }
std::string_view TableCursor::key() const { return to_view(iterator_->key()); }
std::string_view TableCursor::value() const { return to_view(iterator_->value()); }

void TableCursor::next() {
  iterator_->Next();
  // LevelDB skips a block it cannot read, so that a valid position alone says nothing.
  throw_status(iterator_->status());
}

TableReader::TableReader(InputFile file) : impl_(std::make_unique<Impl>(std::move(file))) {
  leveldb::Options options;
  options.paranoid_checks = true;
  leveldb::Table* table = nullptr;
  throw_status(leveldb::Table::Open(options, &impl_->guard, impl_->guard.file().size(), &table));
  impl_->table.reset(table);
}

TableReader::~TableReader() = default;

const std::filesystem::path& TableReader::path() const { return impl_->guard.file().path(); }

TableCursor TableReader::begin() const {
  auto iterator = impl_->new_iterator();
  iterator->SeekToFirst();
  return TableCursor(std::move(iterator));
}

TableCursor TableReader::seek(std::string_view key) const {
  auto iterator = impl_->new_iterator();
  iterator->Seek(leveldb::Slice(key.data(), key.size()));
  return TableCursor(std::move(iterator));
}

}  // namespace narrow
