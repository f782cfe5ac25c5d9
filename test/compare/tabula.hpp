// SPDX-License-Identifier: MIT
// vm::AddressSpace as one of the maps that are compared, on whatever machine src/vm runs on.
#pragma once

#include "compare/map.hpp"
#include "vm/object.hpp"
#include "vm/space.hpp"

#include <array>

namespace compare {

class TabulaMap final : public Map {
public:
    TabulaMap();
    ~TabulaMap() override { space_.destroy(); }

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

    const vm::AddressSpace& space() const { return space_; }

private:
    using Objects = std::array<vm::ObjectRef, object_count>;
    explicit TabulaMap(const Objects& objects) : objects_(objects) {}
    std::uint32_t object_of(std::uint64_t number) const;

    Objects objects_; ///< made one after the other, so that their numbers follow each other
    vm::AddressSpace space_;
};

} // namespace compare
