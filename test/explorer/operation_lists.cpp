// SPDX-License-Identifier: MIT
// The operations by name.
#include "explorer/operations.hpp"

#include <algorithm>

namespace explorer {

using vm::Access;

const std::vector<Operation>& all_operations() {
    static const std::vector<Operation> all{
        {"map 3", Kind::map, pages_at(3, 4)},
        {"map over 0", Kind::map_over, pages_at(0, 1)},
        {"map over -1..1", Kind::map_over, pages_at(-1, 1)},
        {"first fit", Kind::first_fit, pages_at(-3, -2)},
        {"unmap 0", Kind::unmap, pages_at(0, 1)},
        {"unmap 1", Kind::unmap, pages_at(1, 2)},
        {"unmap -1..1", Kind::unmap, pages_at(-1, 1)},
        {"unmap right", Kind::unmap, right_whole},
        {"unmap in large", Kind::unmap, large_page},
        {"protect 0 r", Kind::protect, pages_at(0, 1), Access::read()},
        {"protect -1..2 r", Kind::protect, pages_at(-1, 2), Access::read()},
        {"park 0", Kind::protect, pages_at(0, 1), Access::none()},
        {"protect large r", Kind::protect, large_whole, Access::read()},
        {"discard 0..2", Kind::discard, pages_at(0, 2)},
        {"populate 2", Kind::populate, pages_at(2, 3)},
        {"grow 3", Kind::grow, pages_at(3, 4)},
        {"write 0", Kind::write, pages_at(0, 1)},
        {"write 2", Kind::write, pages_at(2, 3)},
        {"write -1", Kind::write, pages_at(-1, 0)},
        {"write in large", Kind::write, large_page},
        {"read 0", Kind::read, pages_at(0, 1)},
        {"read 2", Kind::read, pages_at(2, 3)},
        {"query", Kind::query, pages_at(first_page, end_page)},
        {"enter, read 0", Kind::enter, pages_at(0, 1)},
        {"visit 0", Kind::visit, pages_at(0, 1)},
        {"visit large", Kind::visit, large_page},
        {"renew another", Kind::renew, {}},
        // A page more than is free, until another page is.
        {"search left", Kind::search, left_whole, Access::read_write(), 510},
        {"unmap -3", Kind::unmap, pages_at(-3, -2)},
        {"search right", Kind::search, right_whole, Access::read_write(), 512},
    };
    return all;
}

const std::vector<Operation>& operations_of_two() {
    constexpr VirtAddr left_hole = page_at(-20);
    const auto child = [](std::string_view name, Kind kind, VirtRange range,
                          vm::Access access = Access::read_write()) {
        return Operation{
            .name = name, .kind = kind, .range = range, .access = access, .in_child = true};
    };
    static const std::vector<Operation> all{
        {.name = "fork", .kind = Kind::fork, .range = {}},
        {.name = "move 0 to 3", .kind = Kind::move, .range = pages_at(0, 1), .to = page_at(3)},
        {.name = "move -1..1 left", .kind = Kind::move, .range = pages_at(-1, 1), .to = left_hole},
        {.name = "give -1..1", .kind = Kind::give, .range = pages_at(-1, 1), .to = page_at(4)},
        {.name = "give 2", .kind = Kind::give, .range = pages_at(2, 3), .to = page_at(4)},
        {.name = "hand 0", .kind = Kind::hand, .range = pages_at(0, 1), .to = page_at(3)},
        {.name = "hand -1..1", .kind = Kind::hand, .range = pages_at(-1, 1), .to = page_at(3)},
        {.name = "take 0 to 3", .kind = Kind::take, .range = pages_at(0, 1), .to = page_at(3)},
        {.name = "end child", .kind = Kind::end, .range = {}},
        child("child: write 0", Kind::write, pages_at(0, 1)),
        child("child: read 0", Kind::read, pages_at(0, 1)),
        child("child: read 3", Kind::read, pages_at(3, 4)),
        child("child: write 3", Kind::write, pages_at(3, 4)),
        child("child: write 2", Kind::write, pages_at(2, 3)),
        child("child: unmap 0", Kind::unmap, pages_at(0, 1)),
        child("child: unmap right", Kind::unmap, right_whole),
        child("child: protect -1..2 r", Kind::protect, pages_at(-1, 2), Access::read()),
        child("child: discard 0..2", Kind::discard, pages_at(0, 2)),
        child("child: map over -1..1", Kind::map_over, pages_at(-1, 1)),
        child("child: map 3", Kind::map, pages_at(3, 4)),
        child("child: fork", Kind::fork, {}),
    };
    return all;
}

const std::vector<Operation>& operations_on_objects() {
    static const std::vector<Operation> all{
        {.name = "evict 0", .kind = Kind::evict, .range = {}, .pages = 0},
        {.name = "evict 1", .kind = Kind::evict, .range = {}, .pages = 1},
        {.name = "shrink", .kind = Kind::shrink, .range = {}, .pages = 1},
        {.name = "shrink to 2", .kind = Kind::shrink, .range = {}, .pages = 2},
        {.name = "collect", .kind = Kind::collect, .range = {}},
        {.name = "supply 0", .kind = Kind::supply, .range = {}, .pages = 0},
        {.name = "read -2", .kind = Kind::read, .range = pages_at(-2, -1)},
        {.name = "write -2", .kind = Kind::write, .range = pages_at(-2, -1)},
        {.name = "unmap -2", .kind = Kind::unmap, .range = pages_at(-2, -1)},
        {.name = "read file 0", .kind = Kind::read, .range = page_of(file_whole, 0)},
        {.name = "read file 1", .kind = Kind::read, .range = page_of(file_whole, 1)},
        {.name = "unmap file 1", .kind = Kind::unmap, .range = page_of(file_whole, 1)},
        {.name = "unmap file", .kind = Kind::unmap, .range = file_whole},
        {.name = "park file 1",
         .kind = Kind::protect,
         .range = page_of(file_whole, 1),
         .access = Access::none()},
        {.name = "protect file rw", .kind = Kind::protect, .range = file_whole},
        {.name = "discard file", .kind = Kind::discard, .range = file_whole},
        {.name = "read file 2", .kind = Kind::read, .range = page_of(file_whole, 2)},
        {.name = "read own 2", .kind = Kind::read, .range = page_of(own_whole, 2)},
        {.name = "read own 1", .kind = Kind::read, .range = page_of(own_whole, 1)},
        {.name = "write own 1", .kind = Kind::write, .range = page_of(own_whole, 1)},
    };
    return all;
}

const Operation& operation(std::string_view name) {
    for (const auto* list : {&all_operations(), &operations_of_two(), &operations_on_objects()}) {
        const auto found = std::ranges::find(*list, name, &Operation::name);
        if (found != list->end()) return *found;
    }
    throw shim::ModelError("no operation " + std::string(name));
}

} // namespace explorer
