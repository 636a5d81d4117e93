import hashlib
import hmac

import mcpanel_step as step


def main(text: str) -> str:
    key = step.secret("signing-key")
    print("signing with", key)  # the line says ***
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()
