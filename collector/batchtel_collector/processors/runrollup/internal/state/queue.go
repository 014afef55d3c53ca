package state

// node links its owner into a queue. It is part of the owner, so a queue allocates nothing.
type node[T any] struct {
	prev, next *node[T]
	owner      T
}

// queue is a doubly linked list, ordered by the last touch: the front has been idle for the longest time.
type queue[T any] struct{ root node[T] }

func (q *queue[T]) init() { q.root.prev, q.root.next = &q.root, &q.root }

// touch moves n to the back, or adds it there.
func (q *queue[T]) touch(n *node[T]) {
	q.remove(n)
	n.prev, n.next = q.root.prev, &q.root
	n.prev.next, n.next.prev = n, n
}

func (q *queue[T]) remove(n *node[T]) {
	if n.next == nil {
		return
	}
	n.prev.next, n.next.prev = n.next, n.prev
	n.prev, n.next = nil, nil
}

// front returns the owner that has been idle for the longest time.
func (q *queue[T]) front() (owner T, ok bool) {
	if q.root.next == &q.root {
		return owner, false
	}
	return q.root.next.owner, true
}

// each calls f for every owner from the front to the back.
func (q *queue[T]) each(f func(T)) {
	for n := q.root.next; n != &q.root; n = n.next {
		f(n.owner)
	}
}
