// SPDX-License-Identifier: MIT
#include "replay/trace.hpp"

#include "abi/types.hpp"
#include "vm/object.hpp"
#include "vm/space.hpp"

#include <charconv>
#include <cstring>
#include <fstream>
#include <sstream>

namespace replay {

namespace {

using Words = std::vector<std::string>;

/// One line's words, taken one by one.
class Line {
public:
    Line(unsigned number, Words words) : number_(number), words_(std::move(words)) {}

    [[noreturn]] void fail(const std::string& why) const { throw Failure(number_, why); }

    const std::string& word(const char* what) {
        if (next_ == words_.size()) fail(std::string("no ") + what);
        return words_[next_++];
    }
    void end() const {
        if (next_ != words_.size()) fail("'" + words_[next_] + "' is one word too many");
    }

    std::uint64_t number(const char* what, int base) {
        const std::string& text = word(what);
        const bool prefixed = base == 16 && text.starts_with("0x");
        const char* const first = text.data() + (prefixed ? 2 : 0);
        const char* const last = text.data() + text.size();
        std::uint64_t value = 0;
        const auto [end, error] = std::from_chars(first, last, value, base);
        if (error == std::errc::result_out_of_range)
            fail(std::string(what) + " '" + text + "' is beyond 64 bits");
        if (error != std::errc{} || end != last)
            fail(std::string(what) + " '" + text + "' is no " +
                 (base == 16 ? "hexadecimal" : "decimal") + " number");
        return value;
    }

    /// An address and a length in bytes, rounded up to pages.
    VirtRange range() {
        const std::uint64_t start = number("address", 16);
        const std::uint64_t length = number("length", 10);
        if (start % page_size != 0) fail("the address is no multiple of the page size");
        if (length == 0) fail("the length is 0");
        const VirtRange user = vm::user_range;
        if (start < user.start.value || start > user.end.value)
            fail("the address lies outside of user space");
        if (length > user.end.value - start) fail("the range ends outside of user space");
        return {VirtAddr{start}, VirtAddr{align_up(start + length, page_size)}};
    }

    std::uint64_t access() {
        const std::string& text = word("access");
        constexpr const char* letters = "rwx";
        bool good = text.size() == 3;
        std::uint64_t bits = 0;
        for (unsigned bit = 0; good && bit < 3; ++bit) {
            good = text[bit] == letters[bit] || text[bit] == '-';
            if (text[bit] != '-') bits |= 1U << bit;
        }
        if (!good) fail("access '" + text + "' is not like 'rwx' or 'r--'");
        return bits;
    }

private:
    unsigned number_;
    Words words_;
    std::size_t next_ = 0;
};

static_assert(abi::access_read == 1 && abi::access_write == 2 && abi::access_execute == 4);

void parse_map(Line& line, Operation& operation) {
    operation.range = line.range();
    operation.access = line.access();
    const std::string kind = line.word("kind");
    constexpr const char* letters[] = {"ps", "af", "xh-", "g-", "n-"};
    bool good = kind.size() == std::size(letters);
    for (std::size_t at = 0; good && at < kind.size(); ++at)
        good = std::strchr(letters[at], kind[at]) != nullptr;
    if (!good) line.fail("kind '" + kind + "' is not like 'pa---' or 'sfxgn'");
    operation.shared = kind[0] == 's';
    operation.noreserve = kind[4] == 'n';
    const std::string file = line.word("file");
    const std::uint64_t offset = line.number("offset", 10);
    if (kind[1] != 'f') return;
    operation.file = file;
    operation.offset = offset;
    if (offset % page_size != 0) line.fail("the offset is no multiple of the page size");
    const std::uint64_t limit = vm::MemoryObject::limit.bytes();
    if (offset > limit || operation.range.bytes() > limit - offset)
        line.fail("the offset is beyond all files");
}

void parse_remap(Line& line, Operation& operation) {
    operation.range = line.range();
    operation.to = line.range();
    const bool apart = operation.range.end <= operation.to.start ||
                       operation.to.end <= operation.range.start ||
                       operation.range.start == operation.to.start;
    if (!apart) line.fail("the old and the new range overlap");
}

void parse_brk(Line& line, Operation& operation) {
    const std::uint64_t end = line.number("address", 16);
    if (end < vm::user_range.start.value || end > vm::user_range.end.value)
        line.fail("the address lies outside of user space");
    operation.range = {VirtAddr{end}, VirtAddr{end}};
}

Operation parse_line(Line& line, unsigned number) {
    Operation operation;
    operation.line = number;
    line.number("thread", 10);
    const std::string what = line.word("operation");
    using Kind = Operation::Kind;
    if (what == "map") {
        operation.kind = Kind::map;
        parse_map(line, operation);
    } else if (what == "unmap") {
        operation.kind = Kind::unmap;
        operation.range = line.range();
    } else if (what == "protect") {
        operation.kind = Kind::protect;
        operation.range = line.range();
        operation.access = line.access();
    } else if (what == "remap") {
        operation.kind = Kind::remap;
        parse_remap(line, operation);
    } else if (what == "brk") {
        operation.kind = Kind::brk;
        parse_brk(line, operation);
    } else if (what == "advise") {
        operation.kind = Kind::advise;
        operation.range = line.range();
        const std::string advice = line.word("advice");
        if (!advice.starts_with("MADV_")) line.fail("advice '" + advice + "' is not like 'MADV_…'");
        operation.drops = advice == "MADV_DONTNEED";
    } else if (what != "fork") {
        line.fail("unknown operation '" + what + "'");
    }
    line.end();
    return operation;
}

} // namespace

std::vector<Operation> parse(std::istream& text) {
    std::vector<Operation> operations;
    std::string line;
    for (unsigned number = 1; std::getline(text, line); ++number) {
        std::istringstream split(line);
        Words words;
        for (std::string word; split >> word;) words.push_back(word);
        if (words.empty() || words[0].starts_with('#')) continue;
        Line taken(number, std::move(words));
        operations.push_back(parse_line(taken, number));
    }
    return operations;
}

std::vector<Operation> parse_file(const std::string& name) {
    std::ifstream file(name, std::ios::binary);
    if (!file) throw Failure(0, "cannot read " + name + ": " + std::strerror(errno));
    std::vector<Operation> operations = parse(file);
    if (file.bad()) throw Failure(0, "cannot read " + name + ": " + std::strerror(errno));
    return operations;
}

} // namespace replay
