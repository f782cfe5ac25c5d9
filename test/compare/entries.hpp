// SPDX-License-Identifier: MIT
// Nothing but entries: each page's says what it is, mapped or not present, and tables above say
// nothing but where the tables below are. Holes are found by looking at entry after entry, from the
// first address on; absent tables are passed over.
#pragma once

#include "compare/paging.hpp"
#include "compare/regions.hpp"

#include <unordered_map>

namespace compare {

class EntryMap final : public Map {
public:
    explicit EntryMap(Frames& frames) : paging_(frames), files_(1) {}

    void map(VirtRange range, const Kind& kind) override;
    std::optional<VirtAddr> map_anywhere(PageCount pages, const Kind& kind, VirtAddr from) override;
    void unmap(VirtRange range) override;
    bool protect(VirtRange range, vm::Access access) override;
    bool discard(VirtRange range) override;
    void move(VirtRange from, VirtRange to) override;
    std::optional<VirtAddr> first_fit(PageCount pages, VirtAddr from) const override;
    std::optional<VirtAddr> nearest(VirtAddr address, abi::Direction direction) const override;
    Page lookup(VirtAddr page) const override;
    std::size_t list(VirtAddr from, std::span<Area> areas) const override;
    bool fault(VirtAddr page) override;
    void* memory(VirtAddr page) const override;
    std::unique_ptr<Map> fork() override;

private:
    /// What an id stands for: all but the access of a kind.
    struct File {
        std::uint32_t object = 0;
        bool is_private = true;
        std::uint64_t base = 0;
        bool operator==(const File&) const = default;
    };
    struct Hash {
        std::size_t operator()(const File& file) const {
            return (file.base >> page_bits) * 0x9e3779b97f4a7c15 + file.object;
        }
    };
    Entry entry_of(const Kind& kind);
    std::uint64_t id_of(const File& file);
    Page page_of(Entry entry, std::uint64_t address) const;
    bool covers(VirtRange range) const;
    std::optional<std::uint64_t> find_hole(std::uint64_t bytes, std::uint64_t from) const;

    mutable MapLock lock_;
    Paging paging_;
    std::vector<File> files_; ///< by id; 0: memory
    std::unordered_map<File, std::uint64_t, Hash> ids_;
};

} // namespace compare
